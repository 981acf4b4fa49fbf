"""/members/new and /members/{id}/edit: the forms to register and to change a member."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from chassis.models import choices
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.web.desk.members import MORE, category_names
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import wording
from rangkiang.members.v1 import people_pb2 as wire

router = SignedInRouter()

# The fields that have one text each, and those of the nested messages. The guardian of the form is a person by name.
_FIELDS = [field.name for field in wire.MemberFields.DESCRIPTOR.fields if field.message_type is None]
_PARTS = [
    *(("guardian", field.name) for field in wire.Guardian.DESCRIPTOR.fields if field.name != "member_id"),
    *(("responsible", field.name) for field in wire.Responsible.DESCRIPTOR.fields),
]
_FORM_FIELDS = {
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
        if duplicates and problem.reasons == {"MEMBER_LIKELY_DUPLICATE"}:
            refuse(request, form, problem, _FORM_FIELDS, labels="members")
            form.general.clear()
        else:
            refuse(request, form, problem, _FORM_FIELDS, labels="members")
        return await _page(request, form, duplicates=duplicates)
    return redirect(f"/members/{reply.id}")


@router.get("/members/{member_id}/edit")
async def edit_member(request: Request) -> Response:
    member = await _get(request)
    values: dict[str, Any] = {
        name: getattr(member.contact if name in wire.Contact.DESCRIPTOR.fields_by_name else member, name)
        for name in _FIELDS
    }
    values |= {f"{part}_{name}": getattr(getattr(member, part), name) for part, name in _PARTS}
    values |= {"evidence": [], "version": str(member.version)}
    return await _page(request, signed_in_form(request, values), member=member)


@router.post("/members/{member_id}/edit")
async def change_member(request: Request) -> Response:
    fields = await read_form(request)
    form = signed_in_form(request, _values(fields))
    message = wire.ChangeMemberRequest(
        id=request.path_params["member_id"],
        version=fields.version(),
        fields=_message(fields),
        evidence=fields.many("evidence"),
    )
    try:
        await call(request, members(request).ChangeMember, message)
    except NotFound:
        raise
    except Error as problem:
        refuse(request, form, problem, _FORM_FIELDS, labels="members")
        return await _page(request, form, member=await _get(request))
    return redirect(f"/members/{message.id}")


async def _get(request: Request) -> wire.Member:
    message = wire.GetMemberRequest(id=request.path_params["member_id"])
    return (await call(request, members(request).GetMember, message)).member


def _names() -> list[str]:
    """Return the names of the form fields that have one value."""
    return [*_FIELDS, *(f"{part}_{name}" for part, name in _PARTS), "number", "version"]


def _values(fields: Fields) -> dict[str, Any]:
    return {**{name: fields.get(name, "") for name in _names()}, "evidence": fields.many("evidence")}


def _message(fields: Fields) -> wire.MemberFields:
    """Return the fields that the form has. Other fields do not change."""
    values: dict[str, Any] = {name: fields[name] for name in _FIELDS if name in fields}
    message = wire.MemberFields(**values)
    if not fields.text("expires_on"):
        message.ClearField("expires_on")  # no date means the period of the category
    for part, name in _PARTS:
        if f"{part}_name" in fields:
            setattr(getattr(message, part), name, fields.get(f"{part}_{name}", ""))
            getattr(message, part).SetInParent()
    return message


async def _duplicates(request: Request, problem: Error) -> list[dict[str, Any]]:
    """Return the likely duplicates that the refusals name: id, number, score, reasons, and the listed member."""
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
            "score": facts["score"],
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
) -> Response:
    words = wording(language(request))
    return page(
        request,
        "member_form.html",
        form=form,
        member=member,
        duplicates=duplicates or [],
        sees_contact=member is None or member.HasField("contact"),
        categories=list((await category_names(request)).items()),
        evidence=[(*kind, "") for kind in words.codes("evidence", choices(wire.Evidence, "kind"))],
        relations=words.codes("relation", choices(wire.Guardian, "relation")),
        sexes=words.codes("sex", choices(wire.MemberFields, "sex")),
        languages=[(code, words.say(f"language.{code}")) for code in choices(wire.MemberFields, "language")],
        more={name: words.codes(name, choices(wire.MemberFields, name)) for name in MORE},
    )
