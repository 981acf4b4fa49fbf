"""/members/{id}/merge: pages to find, compare, merge and separate two memberships of one person."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.sessions import require_scope
from gateway.web.desk.members import category_names, member_page
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, redirect, refuse, signed_in_form
from gateway.web.hits import local_text
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.members.v1 import people_pb2 as wire

router = SignedInRouter()

_LIST = 20


@router.get("/members/{member_id}/merge")
async def begin(request: Request) -> Response:
    return await _search_page(request, signed_in_form(request, {"q": ""}))


@router.post("/members/{member_id}/merge/search")
async def search(request: Request) -> Response:
    """Find the other membership. With POST, because staff may type a phone number, which must not be in a URL."""
    fields = await read_form(request)
    form = signed_in_form(request, {"q": fields.text("q")})
    message = wire.SearchMembersRequest(q=fields.text("q")[:200], limit=_LIST, by_contact=True)
    try:
        reply = await call(request, members(request).SearchMembers, message)
    except Error as problem:
        return await _search_page(request, refuse(request, form, problem, {}))
    return await _search_page(request, form, reply=reply)


@router.get("/members/{member_id}/merge/{other_id}")
async def compare(request: Request) -> Response:
    return await _compare_page(request, request.path_params["other_id"], signed_in_form(request))


@router.post("/members/{member_id}/merge")
async def merge(request: Request) -> Response:
    """Merge the other member into this one. Staff must tick a box that both are the same person."""
    fields = await read_form(request)
    form, other_id = signed_in_form(request, fields), fields.text("merged_id")
    if "sure" not in fields:
        form.add_error("sure", wording(language(request)).say("members.merging.unsure"))
        return await _compare_page(request, other_id, form)
    message = wire.MergeMembersRequest(id=request.path_params["member_id"], merged_id=other_id)
    try:
        await call(request, members(request).MergeMembers, message)
    except NotFound:
        raise
    except Error as problem:
        return await _compare_page(request, other_id, refuse(request, form, problem, {}))
    return redirect(f"/members/{message.id}")


@router.post("/members/{member_id}/merge/{merge_id}/undo")
async def undo(request: Request) -> Response:
    fields = await read_form(request)
    member_id = request.path_params["member_id"]
    message = wire.UndoMergeRequest(id=member_id, merge_id=request.path_params["merge_id"])
    act = call(request, members(request).UndoMerge, message)
    return await act_or_show(
        request, act, f"/members/{member_id}", show=member_page, form=signed_in_form(request, fields)
    )


async def _search_page(request: Request, form: Form, *, reply: wire.SearchMembersReply | None = None) -> Response:
    require_scope(request, "members.merge")
    member_id = request.path_params["member_id"]
    member = await _get(request, member_id)
    return page(
        request,
        "merge_search.html",
        form=form,
        member=member,
        candidates=[other for other in reply.members if other.id != member.id] if reply is not None else None,
        categories=await category_names(request) if reply is not None else {},
    )


async def _compare_page(request: Request, other_id: str, form: Form) -> Response:
    require_scope(request, "members.merge")
    kept, other = await asyncio.gather(_get(request, request.path_params["member_id"]), _get(request, other_id))
    words = wording(language(request))
    return page(
        request,
        "merge_compare.html",
        form=form,
        member=kept,
        other=other,
        rows=_rows(kept, other, words),
    )


async def _get(request: Request, member_id: str) -> wire.Member:
    return (await call(request, members(request).GetMember, wire.GetMemberRequest(id=member_id))).member


def _rows(kept: wire.Member, other: wire.Member, words: Wording) -> list[tuple[str, str, str]]:
    """Return (label, value of the kept member, value of the other) for each value that either member has."""
    rows = zip(_values(kept, words).items(), _values(other, words).values(), strict=True)
    return [(words.say(key), value, other_value) for (key, value), other_value in rows if value or other_value]


def _values(member: wire.Member, words: Wording) -> dict[str, str]:
    contact = member.contact
    born = [member.birth_place, words.day(contact.birth_date) or str(member.birth_year or "")]
    guardian = member.guardian.name or (words.say("members.heading_one") if member.guardian.member_id else "")
    return {
        "account.number": member.number,
        "members.name": ", ".join(filter(None, (f"{member.title_before} {member.name}".strip(), member.title_after))),
        "members.category": local_text(member.category_name, words.language) or member.category,
        "members.birth": ", ".join(filter(None, born)),
        "members.sex": words.code("sex", member.sex) if member.sex else "",
        "members.nik": contact.nik,
        "members.phone": contact.phone,
        "members.email": contact.email,
        "members.address": contact.address,
        "members.school": ", ".join(filter(None, (member.school, member.group))),
        "members.occupation": member.occupation,
        "members.guardian": guardian,
        "members.responsible": member.responsible.name,
        "members.registered": words.day(member.registered_at),
        "members.expires_on": words.day(member.expires_on) if member.expires_on else words.say("members.no_end"),
        "members.cards": ", ".join(card.code for card in member.cards),
        "members.blocks": ", ".join(words.code("block", block.reason) for block in member.blocks),
        "members.merging.loans": str(member.open_loans or ""),
    }
