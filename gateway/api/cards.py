"""Routes of members' cards: numbers, PDF, password slips and scanned codes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Forbidden, Invalid, NotFound
from gateway.api.loan_models import LentItem, item_model
from gateway.api.member_models import (
    LISTED_MEMBER_EXAMPLE,
    MEMBER_ID_EXAMPLE,
    AliasBody,
    Body,
    ListedMember,
    MemberId,
)
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import OneOf, QueryModel
from gateway.api.schemas import ResponseModel
from gateway.api.serializers import plain
from gateway.callers import address_of
from gateway.clients import Circulation, Members, Notifications, call
from gateway.password_turns import call_in_turn
from gateway.sessions import require_secure
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.members.v1 import cards_pb2 as wire
from rangkiang.members.v1.people_pb2 import Alias
from rangkiang.notifications.v1.notices_pb2 import CheckCodeRequest

router = APIRouter(tags=["cards"], route_class=ApiRoute)
SERVICE = "/rangkiang.members.v1.Members"
CardId = Annotated[str, Path(description="A card's identifier (UUID).", examples=[MEMBER_ID_EXAMPLE])]


class CardAct(Body):
    """An act on a card."""

    act: Literal["lost", "damaged", "alias"] = Field(
        description="lost: issue a new number. damaged: keep the number, issue a new QR code. "
        "alias: add a number of another system.",
        examples=["lost"],
    )
    alias: AliasBody | None = Field(
        None, description="The number of another system.", examples=[{"kind": "rfid", "code": "04A2B9C1"}]
    )


class ScanBody(Body):
    """A scanned code."""

    code: str = Field(description="The code, exactly as scanned.", max_length=400, examples=["1000000018"])


class SlipBody(Body):
    """The code of a slip and a new password."""

    number: str = Field(description="The number on the card.", max_length=64, examples=["1000000018"])
    code: str = Field(description="The code on the slip.", max_length=64, examples=["K7PM2XQR"], repr=False)
    password: str = Field(
        description="The new password, of 8 to 128 characters.",
        max_length=128,
        examples=["lampu perahu kemarau"],
        repr=False,
    )


class SlipDeliveryBody(Body):
    """How the member receives the code."""

    send: StrictBool = Field(
        default=False, description="Send the code as a notice; the response then has no code.", examples=[True]
    )


class PrintQuery(QueryModel):
    layout: Annotated[str, OneOf(("card", "sheet"))] = Field(
        "card", description="card: a page of size ID-1 per side. sheet: A4, ten cards a page.", examples=["sheet"]
    )
    also: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=39)] = Field(
        [], description="Ids of other members whose cards are in the same file.", examples=[[MEMBER_ID_EXAMPLE]]
    )


class ChangedCard(ResponseModel):
    """The member after an act."""

    id: str
    """Identifier (UUID) of the member."""
    number: str
    """The number of the current card."""
    version: int
    """Version of the member."""


class RemovedCard(ResponseModel):
    """The member after an act."""

    id: str
    """Identifier (UUID) of the member."""
    version: int
    """Version of the member."""


class SlipCode(ResponseModel):
    """A code that is printed on paper or sent to the member."""

    code: str
    """Valid once, for 24 hours and five attempts. Only this response shows the code; empty when the code is sent."""
    sent: bool
    """True when the code is sent to the member as a notice."""


class Scanned(ResponseModel):
    """The member or item of a scanned code."""

    kind: str = Field(examples=["member"])
    """member, item or neither."""
    member: ListedMember | None = None
    """The member of the card."""
    item: LentItem | None = None
    """The item of the barcode."""
    item_state: str = ""
    """in, on_loan or transit; empty when the code does not belong to an item."""
    card_state: str
    """active, lost, replaced, or revoked for a QR code that is no longer valid."""
    looks_like: str
    """For neither: card_mistyped, card_revoked, isbn, nik, url, number, text or empty."""


# Codes of these kinds cannot be the barcode of an item, so circulation is not called.
_NO_ITEM = ("card_revoked", "empty", "url")
_CHANGED = {"id": MEMBER_ID_EXAMPLE, "number": "1000000026", "version": 2}


@router.post(
    "/members/{member_id}/cards",
    response_model=ChangedCard,
    status_code=201,
    **documented(
        operation="issue_card",
        summary="Replace a card or add a number",
        example=_CHANGED,
        errors=(*ERRORS, 404, 409),
        method=f"{SERVICE}/IssueCard",
        status=201,
    ),
)
async def issue(request: Request, member_id: MemberId, body: CardAct, members: Members) -> Response:
    """Replace a card, or add a number of another system. A scan still recognises the number of a lost card."""
    alias = Alias(kind=body.alias.kind, code=body.alias.code) if body.alias is not None else None
    reply = await call(request, members.IssueCard, wire.IssueCardRequest(id=member_id, act=body.act, alias=alias))
    return private(ChangedCard(**plain(reply)), status=201, version=reply.version)


@router.delete(
    "/members/{member_id}/cards/{card_id}",
    response_model=RemovedCard,
    **documented(
        operation="remove_card",
        summary="Remove a number of another system",
        example={"id": MEMBER_ID_EXAMPLE, "version": 3},
        errors=(*ERRORS, 404, 409),
        method=f"{SERVICE}/EndCard",
    ),
)
async def remove(request: Request, member_id: MemberId, card_id: CardId, members: Members) -> Response:
    """Remove a number of another system. The number of the current card cannot be removed, only replaced."""
    reply = await call(request, members.EndCard, wire.EndCardRequest(id=member_id, card_id=card_id))
    return private(RemovedCard(**plain(reply)), version=reply.version)


@router.get(
    "/members/{member_id}/card.pdf",
    response_class=Response,
    **documented(
        operation="print_card",
        summary="Cards as PDF",
        content={"application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.4"}},
        errors=(*ERRORS, 404),
    ),
)
async def print_card(
    request: Request, member_id: MemberId, query: Annotated[PrintQuery, Query()], members: Members
) -> Response:
    """Print both sides of cards, with Code 128 and a QR code. The QR code identifies the member but cannot sign in."""
    message = wire.PrintCardsRequest(ids=[member_id, *query.also], layout=query.layout)
    reply = await call(request, members.PrintCards, message)
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'inline; filename="card.pdf"'}
    return Response(reply.pdf, media_type="application/pdf", headers=headers)


@router.post(
    "/members/{member_id}/slips",
    response_model=SlipCode,
    status_code=201,
    **documented(
        operation="make_slip",
        summary="Make a slip for a password",
        example={"code": "K7PM2XQR", "sent": False},
        errors=(*ERRORS, 404, 409),
        method=f"{SERVICE}/MakeSlip",
        status=201,
    ),
)
async def make_slip(
    request: Request,
    member_id: MemberId,
    members: Members,
    notifications: Notifications,
    body: SlipDeliveryBody | None = None,
) -> Response:
    """Make a code with which the member sets a first or a new password. The code is returned, or sent as a notice.

    A code that no channel can send is refused with `CODE_NO_ADDRESS` or `CODE_NO_CHANNEL`.
    """
    send = body is not None and body.send
    if send:
        await call(request, notifications.CheckCode, CheckCodeRequest(member_id=member_id))
    reply = await call(request, members.MakeSlip, wire.MakeSlipRequest(id=member_id, send=send))
    return private(SlipCode(code=reply.code, sent=reply.is_sent), status=201)


@router.post(
    "/slips",
    status_code=204,
    **documented(
        operation="use_slip", summary="Set a password with a slip", errors=(400, 401, 403, 409, 429, 503, 504)
    ),
)
async def use_slip(request: Request, body: SlipBody, members: Members) -> Response:
    """Set a password with the code of a slip, and end other sessions of the member.

    The response to an unknown card number is the same as that to a wrong code.
    """
    require_secure(request)
    message = wire.UseSlipRequest(
        number=body.number, code=body.code, password=body.password, address=address_of(request.scope)
    )
    await call_in_turn(request, members.UseSlip, message)
    return Response(status_code=204)


@router.post(
    "/scans",
    response_model=Scanned,
    **documented(
        operation="scan",
        summary="Identify a scanned code",
        example={
            "kind": "member",
            "member": LISTED_MEMBER_EXAMPLE,
            "item_state": "",
            "card_state": "active",
            "looks_like": "",
        },
        errors=ERRORS,
        method=f"{SERVICE}/Scan",
    ),
)
async def scan(request: Request, body: ScanBody, members: Members, circulation: Circulation) -> Response:
    """Find the member of a card number, alias or QR code in the caller's institution, or the item of a barcode."""
    reply = await call(request, members.Scan, wire.ScanRequest(code=body.code))
    scanned = plain(reply)
    scanned["member"] = ListedMember(**scanned["member"]) if reply.HasField("member") else None
    if reply.kind == "neither" and reply.looks_like not in _NO_ITEM:
        try:
            item = await call(request, circulation.FindItem, loans_pb2.FindItemRequest(item=body.code))
        except (Forbidden, Invalid, NotFound):
            pass
        else:
            scanned |= {"kind": "item", "item": item_model(item.item), "item_state": item.state, "looks_like": ""}
    return private(Scanned(**scanned))
