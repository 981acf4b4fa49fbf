"""/members/new and /members/{id}/edit: the forms to register and to change a member."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound, Outdated
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.web.desk.members import category_names
from gateway.web.forms import Fields, Form, for_signed_in, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import wording
from rangkiang.members.v1 import people_pb2 as wire

router = APIRouter()

# A test compares these with the members service.
EVIDENCE = ("ktp", "kia", "kk", "birth_certificate", "student_card", "passport", "domicile_letter")
EDUCATIONS = ("none", "sd", "smp", "sma", "d1", "d2", "d3", "d4", "s1", "s2", "s3", "other")
RELATIONS = ("mother", "father", "relative", "school", "other")
_SEALED = ("nik", "phone", "email", "address", "birth_date")
_OPEN = (
    "category", "name", "title_before", "title_after", "language", "birth_place", "sex", "kelurahan", "occupation",
    "education", "school", "group", "disability", "note",
)  # fmt: skip
_GUARDIAN = ("name", "relation", "phone")
_RESPONSIBLE = ("name", "position", "phone")
_PLACES = {
    "GUARDIAN_MISSING": "guardian_name",
    "GUARDIAN_IS_THE_MEMBER": "guardian_name",
    "RESPONSIBLE_MISSING": "responsible_name",
    "CARD_NUMBER_IN_USE": "number",
    "MEMBER_NAME_MISSING": "name",
    "CATEGORY_UNKNOWN": "category",
}


@router.get("/members/new")
@for_signed_in
async def new_member(request: Request) -> Response:
    categories = await category_names(request)
    values: dict[str, Any] = {
        **dict.fromkeys(_names(), ""),
        "category": "umum" if "umum" in categories else "",
        "evidence": [],
    }
    return await _page(request, signed_in_form(request, values))


@router.post("/members/new")
@for_signed_in
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
            refuse(request, form, problem, _PLACES, labels="members")
            form.general.clear()
        else:
            refuse(request, form, problem, _PLACES, labels="members")
        return await _page(request, form, duplicates=duplicates, status=problem.http_status)
    return redirect(f"/members/{reply.id}")


@router.get("/members/{member_id}/edit")
@for_signed_in
async def edit_member(request: Request) -> Response:
    member = await _get(request)
    values: dict[str, Any] = {name: getattr(member, name) for name in _OPEN}
    values |= {name: getattr(member.contact, name) for name in _SEALED}
    values |= {f"guardian_{name}": getattr(member.guardian, name) for name in _GUARDIAN}
    values |= {f"responsible_{name}": getattr(member.responsible, name) for name in _RESPONSIBLE}
    values |= {"expires_on": member.expires_on, "evidence": [], "version": str(member.version)}
    return await _page(request, signed_in_form(request, values), member=member)


@router.post("/members/{member_id}/edit")
@for_signed_in
async def change_member(request: Request) -> Response:
    fields = await read_form(request)
    form = signed_in_form(request, _values(fields))
    version = fields.text("version")
    message = wire.ChangeMemberRequest(
        id=request.path_params["member_id"],
        version=int(version) if version.isdecimal() and len(version) < 19 else 0,
        fields=_message(fields),
        evidence=fields.many("evidence"),
    )
    try:
        await call(request, members(request).ChangeMember, message)
    except NotFound:
        raise
    except Error as problem:
        refuse(request, form, problem, _PLACES, labels="members")
        if isinstance(problem, Outdated):
            # The page shows that the member was changed meanwhile. If staff save again, they accept this version.
            form.values = {**form.values, "version": str(problem.facts.get("version", version))}
        return await _page(request, form, member=await _get(request), status=problem.http_status)
    return redirect(f"/members/{message.id}")


async def _get(request: Request) -> wire.Member:
    message = wire.GetMemberRequest(id=request.path_params["member_id"])
    return (await call(request, members(request).GetMember, message)).member


def _names() -> list[str]:
    """Return the names of the form fields that have one value."""
    guardian = [f"guardian_{name}" for name in _GUARDIAN]
    responsible = [f"responsible_{name}" for name in _RESPONSIBLE]
    return [*_OPEN, *_SEALED, *guardian, *responsible, "expires_on", "number", "version"]


def _values(fields: Fields) -> dict[str, Any]:
    return {**{name: fields.get(name, "") for name in _names()}, "evidence": fields.many("evidence")}


def _message(fields: Fields) -> wire.MemberFields:
    """Return the fields that the form has. Other fields do not change."""
    values: dict[str, Any] = {name: fields[name] for name in (*_OPEN, *_SEALED) if name in fields}
    message = wire.MemberFields(**values)
    if fields.text("expires_on"):
        message.expires_on = fields.text("expires_on")
    if "guardian_name" in fields:
        message.guardian.CopyFrom(wire.Guardian(**{name: fields.get(f"guardian_{name}", "") for name in _GUARDIAN}))
    if "responsible_name" in fields:
        responsible = {name: fields.get(f"responsible_{name}", "") for name in _RESPONSIBLE}
        message.responsible.CopyFrom(wire.Responsible(**responsible))
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
            "reasons": ", ".join(words.code("duplicate", reason) for reason in str(facts["reasons"]).split(", ")),
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
    status: int = 200,
) -> Response:
    words = wording(language(request))
    return page(
        request,
        "member_form.html",
        query="",
        form=form,
        member=member,
        duplicates=duplicates or [],
        sees_contact=member is None or member.HasField("contact"),
        categories=list((await category_names(request)).items()),
        evidence=[(kind, words.code("evidence", kind), "") for kind in EVIDENCE],
        educations=[(level, words.code("education", level)) for level in EDUCATIONS],
        relations=[(relation, words.code("relation", relation)) for relation in RELATIONS],
        sexes=[(sex, words.code("sex", sex)) for sex in ("female", "male")],
        languages=[(code, words.say(f"language.{code}")) for code in ("id", "en")],
        status=status,
    )
