"""/members/new and /members/{id}/edit: the forms to register and to change a member."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from chassis.models import choices
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.sessions import may
from gateway.web.desk.lending import people_of
from gateway.web.desk.members import MORE, category_names, masked
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import wording
from rangkiang.members.v1 import people_pb2 as wire

router = SignedInRouter()

_MOST_GUARDIANS = 10
# The fields that have one text each, and those of the nested messages. The form's guardian is a member, who is
# found by name or card, or a person by name.
_FIELDS = [field.name for field in wire.MemberFields.DESCRIPTOR.fields if field.message_type is None]
_PARTS = [
    *(("guardian", field.name) for field in wire.Guardian.DESCRIPTOR.fields if field.name != "member_id"),
    *(("responsible", field.name) for field in wire.Responsible.DESCRIPTOR.fields),
]
_FORM_FIELDS = {
    **{f"{part}.{name}": f"{part}_{name}" for part, name in _PARTS},
    "guardian.member_id": "guardian_member_id",
    "GUARDIAN_UNKNOWN": "guardian_member_id",
    "GUARDIAN_MISSING": "guardian_name",
    "GUARDIAN_IS_THE_MEMBER": "guardian_name",
    "RESPONSIBLE_MISSING": "responsible_name",
    "CARD_NUMBER_IN_USE": "number",
    "MEMBER_NAME_MISSING": "name",
    "CATEGORY_UNKNOWN": "category",
}


@router.get("/members/new")
async def new_member(request: Request) -> Response:
    categories = await category_names(request)
    values: dict[str, Any] = {
        **dict.fromkeys(_names(), ""),
        "category": "umum" if "umum" in categories else "",
        "evidence": [],
    }
    return await _page(request, signed_in_form(request, values))


@router.post("/members/new")
async def register(request: Request) -> Response:
    """Register a member. Likely duplicates are shown first; staff confirm that they are other people."""
    fields = await read_form(request)
    form = signed_in_form(request, _values(fields))
    if fields.text("guardian_q"):
        return await _page(request, form)
    message = wire.RegisterMemberRequest(
        fields=_message(fields),
        number=fields.text("number"),
        evidence=fields.many("evidence"),
        confirmed_duplicates=fields.many("confirmed_duplicates"),
    )
    try:
        reply = await call(request, members(request).RegisterMember, message)
    except Error as problem:
        duplicates = await _duplicates(request, problem)
        refuse(request, form, problem, _FORM_FIELDS, labels="members")
        if duplicates and problem.reasons == {"MEMBER_LIKELY_DUPLICATE"}:
            form.general.clear()
        return await _page(request, form, duplicates=duplicates, holders=await _holders(request, problem))
    return redirect(f"/members/{reply.id}")


@router.get("/members/{member_id}/edit")
async def edit_member(request: Request) -> Response:
    member = await _get(request)
    values: dict[str, Any] = {
        name: getattr(member.contact if name in wire.Contact.DESCRIPTOR.fields_by_name else member, name)
        for name in _FIELDS
    }
    values |= {f"{part}_{name}": getattr(getattr(member, part), name) for part, name in _PARTS}
    values |= {"guardian_member_id": member.guardian.member_id, "guardian_q": ""}
    # The NIK is masked: an empty field keeps it.
    values |= {"evidence": [], "version": str(member.version), "nik": ""}
    return await _page(request, signed_in_form(request, values), member=member)


@router.post("/members/{member_id}/edit")
async def change_member(request: Request) -> Response:
    fields = await read_form(request)
    form = signed_in_form(request, _values(fields))
    if fields.text("guardian_q"):
        return await _page(request, form, member=await _get(request))
    message = wire.ChangeMemberRequest(
        id=request.path_params["member_id"],
        version=fields.version(),
        fields=_message(fields),
        evidence=fields.many("evidence"),
    )
    if "drop_nik" in fields:
        message.fields.nik = ""
    elif not fields.text("nik"):
        message.fields.ClearField("nik")
    try:
        await call(request, members(request).ChangeMember, message)
    except NotFound:
        raise
    except Error as problem:
        refuse(request, form, problem, _FORM_FIELDS, labels="members")
        holders = await _holders(request, problem)
        return await _page(request, form, member=await _get(request), holders=holders)
    return redirect(f"/members/{message.id}")


async def _holders(request: Request, problem: Error) -> list[wire.MemberInList]:
    """Return the members who have the NIK or the card number that was refused; none for callers who read no members."""
    taken = [refusal for refusal in problem.refusals if refusal.reason in ("NIK_IN_USE", "CARD_NUMBER_IN_USE")]
    if not taken or not may(request, "members.read"):
        return []
    message = wire.ListMembersRequest(ids=list(dict.fromkeys(str(refusal.facts["member"]) for refusal in taken)))
    return list((await call(request, members(request).ListMembers, message)).members)


async def _get(request: Request) -> wire.Member:
    message = wire.GetMemberRequest(id=request.path_params["member_id"])
    return (await call(request, members(request).GetMember, message)).member


def _names() -> list[str]:
    """Return the names of the form fields that have one value."""
    parts = (f"{part}_{name}" for part, name in _PARTS)
    return [*_FIELDS, *parts, "guardian_member_id", "guardian_q", "number", "version"]


def _values(fields: Fields) -> dict[str, Any]:
    return {**{name: fields.get(name, "") for name in _names()}, "evidence": fields.many("evidence")}


def _message(fields: Fields) -> wire.MemberFields:
    """Return the fields that the form has. Other fields do not change."""
    values: dict[str, Any] = {name: fields[name] for name in _FIELDS if name in fields}
    message = wire.MemberFields(**values)
    if not fields.text("expires_on"):
        message.ClearField("expires_on")  # no date means the period of the category
    if "guardian_name" in fields:
        message.guardian.member_id = fields.text("guardian_member_id")[:64]
    for part, name in _PARTS:
        if f"{part}_name" in fields:
            setattr(getattr(message, part), name, fields.get(f"{part}_{name}", ""))
            getattr(message, part).SetInParent()
    return message


async def _guardians(request: Request, form: Form) -> list[wire.MemberInList]:
    """Return the members to choose a guardian from: the chosen one, and those that the typed name or card finds."""
    if not may(request, "members.read"):
        return []
    people = await people_of(request, [str(form.values["guardian_member_id"])]) or {}
    if query := str(form.values["guardian_q"]).strip():
        message = wire.SearchMembersRequest(q=query[:200], limit=_MOST_GUARDIANS)
        reply = await call(request, members(request).SearchMembers, message)
        people |= {person.id: person for person in reply.members}
    return list(people.values())


async def _duplicates(request: Request, problem: Error) -> list[dict[str, Any]]:
    """Return the likely duplicates that the refusals name: id, number, reasons in words, and the listed member."""
    words = wording(language(request))
    duplicates = [refusal.facts for refusal in problem.refusals if refusal.reason == "MEMBER_LIKELY_DUPLICATE"]
    replies = await asyncio.gather(
        *(
            call(request, members(request).SearchMembers, wire.SearchMembersRequest(q=str(facts["number"]), limit=1))
            for facts in duplicates
        )
    )
    return [
        {
            "id": str(facts["member"]),
            "number": str(facts["number"]),
            "reasons": ", ".join(words.code("duplicate", reason) for reason in facts["reasons"]),
            "member": reply.members[0] if reply.members else None,
        }
        for facts, reply in zip(duplicates, replies, strict=True)
    ]


async def _page(
    request: Request,
    form: Form,
    *,
    member: wire.Member | None = None,
    duplicates: list[dict[str, Any]] | None = None,
    holders: Sequence[wire.MemberInList] = (),
) -> Response:
    words = wording(language(request))
    return page(
        request,
        "member_form.html",
        form=form,
        member=member,
        duplicates=duplicates or [],
        holders=holders,
        guardians=await _guardians(request, form),
        nik=masked(member.contact.nik) if member else "",
        sees_contact=member is None or member.HasField("contact"),
        categories=list((await category_names(request)).items()),
        evidence=[(*kind, "") for kind in words.codes("evidence", choices(wire.Evidence, "kind"))],
        relations=words.codes("relation", choices(wire.Guardian, "relation")),
        sexes=words.codes("sex", choices(wire.MemberFields, "sex")),
        languages=[(code, words.say(f"language.{code}")) for code in choices(wire.MemberFields, "language")],
        more={name: words.codes(name, choices(wire.MemberFields, name)) for name in MORE},
    )
