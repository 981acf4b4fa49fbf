"""Acts on a member's page: renewals, blocks, ends of suspensions, cards and their PDF, password codes, and erasure."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from gateway.clients import call, circulation, members, notifications
from gateway.negotiation import language
from gateway.responses import download
from gateway.web.desk.members import member_page
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import wording
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.members.v1 import cards_pb2, people_pb2
from rangkiang.notifications.v1.notices_pb2 import CheckCodeRequest

router = SignedInRouter()

# The form field of a refusal, by its reason or by the field name of members.
_FORM_FIELDS = {
    "alias.kind": "alias_kind",
    "alias.code": "alias_code",
    "CARD_NUMBER_IN_USE": "alias_code",
    "expires_on": "expires_on",
    "SUSPENSION_UNREASONED": "suspension_reason",
    "REASON_TOO_LONG": "suspension_reason",
    "reason": "reason",
    "note": "note",
    "ends_on": "ends_on",
}


@router.post("/members/{member_id}/renewals")
async def renew(request: Request) -> Response:
    """Renew a membership. Staff must tick a box for a second renewal on one day, which is mostly a mistake."""
    fields = await read_form(request)
    if "again" not in fields:
        reply = await call(request, members(request).GetMember, people_pb2.GetMemberRequest(id=_member(request)))
        if reply.was_renewed_today:
            form = signed_in_form(request, fields)
            form.add_error("again", wording(language(request)).say("members.renew_unsure"))
            return await member_page(request, form)
    message = people_pb2.RenewMembershipRequest(id=_member(request), expires_on=fields.text("expires_on"))
    return await _act(request, call(request, members(request).RenewMembership, message), fields)


@router.post("/members/{member_id}/blocks")
async def block(request: Request) -> Response:
    fields = await read_form(request)
    message = people_pb2.BlockMemberRequest(
        id=_member(request), reason=fields.text("reason"), note=fields.text("note"), ends_on=fields.text("ends_on")
    )
    return await _act(request, call(request, members(request).BlockMember, message), fields)


@router.post("/members/{member_id}/blocks/{block_id}/end")
async def end_block(request: Request) -> Response:
    fields = await read_form(request)
    message = people_pb2.EndBlockRequest(id=_member(request), block_id=request.path_params["block_id"])
    return await _act(request, call(request, members(request).EndBlock, message), fields)


@router.post("/members/{member_id}/suspension/end")
async def end_suspension(request: Request) -> Response:
    fields = await read_form(request)
    message = loans_pb2.EndSuspensionRequest(member=_member(request), reason=fields.text("suspension_reason"))
    return await _act(request, call(request, circulation(request).EndSuspension, message), fields)


@router.post("/members/{member_id}/cards")
async def issue_card(request: Request) -> Response:
    """Replace a lost or damaged card, or add a number of another system."""
    fields = await read_form(request)
    # `get`, not `text`, because the code must be exactly as scanned, including white space.
    alias = people_pb2.Alias(kind=fields.text("alias_kind"), code=fields.get("alias_code", ""))
    act = fields.text("act")
    message = cards_pb2.IssueCardRequest(id=_member(request), act=act, alias=alias if act == "alias" else None)
    return await _act(request, call(request, members(request).IssueCard, message), fields)


@router.post("/members/{member_id}/cards/{card_id}/end")
async def end_card(request: Request) -> Response:
    fields = await read_form(request)
    message = cards_pb2.EndCardRequest(id=_member(request), card_id=request.path_params["card_id"])
    return await _act(request, call(request, members(request).EndCard, message), fields)


@router.get("/members/{member_id}/card.pdf")
async def print_card(request: Request) -> Response:
    layout = request.query_params.get("layout", "card")[:20]
    message = cards_pb2.PrintCardsRequest(ids=[_member(request)], layout=layout)
    reply = await call(request, members(request).PrintCards, message)
    return download(reply.pdf, f"{layout}.pdf")


@router.post("/members/{member_id}/slips")
async def make_password_code(request: Request) -> Response:
    """Show a code for a new password once, or send the code to the member without showing it."""
    fields = await read_form(request)
    message = cards_pb2.MakeSlipRequest(id=_member(request), send="send" in fields)
    try:
        if message.send:
            await call(request, notifications(request).CheckCode, CheckCodeRequest(member_id=message.id))
        reply = await call(request, members(request).MakeSlip, message)
    except NotFound:
        raise
    except Error as problem:
        form = refuse(request, signed_in_form(request, fields), problem, _FORM_FIELDS, labels="members")
        return await member_page(request, form)
    member_request = people_pb2.GetMemberRequest(id=_member(request))
    member = (await call(request, members(request).GetMember, member_request)).member
    return page(request, "password_code.html", member=member, password_code=reply.code)


@router.get("/members/{member_id}/erasure")
async def ask_erasure(request: Request) -> Response:
    """Show what an erasure erases and what stays, and ask for a tick."""
    return await _erasure_page(request, signed_in_form(request))


async def _erasure_page(request: Request, form: Form) -> Response:
    reply = await call(request, members(request).GetMember, people_pb2.GetMemberRequest(id=_member(request)))
    return page(request, "member_erasure.html", form=form, member=reply.member)


@router.post("/members/{member_id}/erasure")
async def erase(request: Request) -> Response:
    """Erase a member. Staff must tick a box, because an erasure cannot be undone."""
    fields = await read_form(request)
    form = signed_in_form(request, fields)
    if "sure" not in fields:
        form.add_error("sure", wording(language(request)).say("members.erase_unsure"))
        return await _erasure_page(request, form)
    act = call(request, members(request).EraseMember, people_pb2.EraseMemberRequest(id=_member(request)))
    return await act_or_show(
        request, act, "/members", show=_erasure_page, form=form, form_fields=_FORM_FIELDS, labels="members"
    )


async def _act(request: Request, act: Awaitable[Any], fields: dict[str, str]) -> Response:
    """Await an act and show the member again. After a refusal, show its sentences and the typed values."""
    form, then = signed_in_form(request, fields), f"/members/{_member(request)}"
    return await act_or_show(
        request, act, then, show=member_page, form=form, form_fields=_FORM_FIELDS, labels="members"
    )


def _member(request: Request) -> str:
    member_id: str = request.path_params["member_id"]
    return member_id
