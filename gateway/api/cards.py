"""Routes of members' cards: numbers, PDF, password codes and scanned codes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Forbidden, Invalid, NotFound
from chassis.models import example_of, to_message, to_model
from chassis.queries import OneOf, QueryModel
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import MEMBER_ID_EXAMPLE, PDF_CONTENT, MemberId, one_of
from gateway.api.writes import version_tag, versioned
from gateway.callers import address_of
from gateway.clients import Circulation, Members, Notifications, call
from gateway.password_limit import call_within_limit
from gateway.responses import download
from gateway.sessions import require_secure
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.circulation.v1 import models as circulation_models
from rangkiang.members.v1 import cards_pb2 as wire
from rangkiang.members.v1 import models, people_pb2
from rangkiang.notifications.v1.notices_pb2 import CheckCodeRequest

router = APIRouter(tags=["cards"], route_class=ApiRoute)
CardId = Annotated[str, Path(description="A card's identifier (UUID).", examples=[MEMBER_ID_EXAMPLE])]


class PrintQuery(QueryModel):
    layout: Annotated[str, OneOf(("card", "sheet"))] = Field(
        "card", description="card: a page of size ID-1 per side. sheet: A4, ten cards a page.", examples=["sheet"]
    )
    also: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=99)] = Field(
        [], description="Ids of other members whose cards are in the same file.", examples=[[MEMBER_ID_EXAMPLE]]
    )


class Scanned(models.Scanned):
    """The member or item of a scanned code."""

    item: circulation_models.LentItem | None = Field(default=None, description="The item of the barcode.")
    item_state: Literal["in", "on_loan", "transit"] | None = Field(
        default=None, description="State of the item; null when the code does not belong to an item."
    )


_RETURNED = models.PasswordCodeBody()
# Codes of these kinds cannot be the barcode of an item, so circulation is not called.
_NO_ITEM = ("card_revoked", "empty", "url")


@router.post(
    "/members/{member_id}/cards",
    **documented("Replace a card or add a number", "members.IssueCard", errors=(404, 409), status=201),
)
async def issue_card(
    request: Request, response: Response, member_id: MemberId, body: models.CardAct, members: Members
) -> models.ChangedCard:
    """Replace a card, or add a number of another system. A scan still recognises the number of a lost card."""
    reply = await call(request, members.IssueCard, to_message(wire.IssueCardRequest, body, id=member_id))
    return versioned(response, to_model(models.ChangedCard, reply), reply.version)


@router.get("/members/{member_id}/cards/{card_id}", **documented("A card", "members.GetMember", errors=(404,)))
async def get_card(
    request: Request, member_id: MemberId, card_id: CardId, query: NoParameters, members: Members
) -> models.Card:
    """Return a card or number of a member. The audit log records each request."""
    reply = await call(request, members.GetMember, people_pb2.GetMemberRequest(id=member_id))
    return to_model(models.Card, one_of(reply.member.cards, card_id, NotFound("CARD_NOT_FOUND", id=card_id[:64])))


@router.delete(
    "/members/{member_id}/cards/{card_id}",
    **documented("Remove a number of another system", "members.EndCard", errors=(404, 409), status=204),
)
async def remove_card(
    request: Request, response: Response, member_id: MemberId, card_id: CardId, members: Members
) -> None:
    """Remove a number of another system. The number of the current card cannot be removed, only replaced."""
    reply = await call(request, members.EndCard, wire.EndCardRequest(id=member_id, card_id=card_id))
    response.headers["ETag"] = version_tag(reply.version)


@router.get(
    "/members/{member_id}/card.pdf",
    response_class=Response,
    **documented(
        "Cards as PDF",
        "members.PrintCards",
        errors=(404,),
        content=PDF_CONTENT,
    ),
)
async def print_card(
    request: Request, member_id: MemberId, query: Annotated[PrintQuery, Query()], members: Members
) -> Response:
    """Print both sides of cards in the order of names, with the library's logo, address and colour, Code 128 and QR.

    The QR code identifies the member but cannot sign in.
    """
    message = wire.PrintCardsRequest(ids=[member_id, *query.also], layout=query.layout)
    reply = await call(request, members.PrintCards, message)
    return download(reply.pdf, "card.pdf", is_shown=True)


@router.post(
    "/members/{member_id}/password-codes",
    **documented("Make a password code", "members.MakeSlip", errors=(404, 409), status=201),
)
async def make_password_code(
    request: Request,
    member_id: MemberId,
    members: Members,
    notifications: Notifications,
    body: models.PasswordCodeBody = _RETURNED,
) -> models.PasswordCode:
    """Make a code with which the member sets a first or a new password. The code is returned, or sent as a notice.

    A code that no channel can send is refused with `CODE_NO_ADDRESS` or `CODE_NO_CHANNEL`.
    """
    if body.send:
        await call(request, notifications.CheckCode, CheckCodeRequest(member_id=member_id))
    reply = await call(request, members.MakeSlip, wire.MakeSlipRequest(id=member_id, send=body.send))
    return to_model(models.PasswordCode, reply)


@router.post(
    "/passwords",
    **documented("Set a password with a password code", "members.UseSlip", errors=(401, 403, 409), status=204),
)
async def set_password(request: Request, body: models.NewPassword, members: Members) -> None:
    """Set a password with a password code, and end other sessions of the member.

    The response to an unknown card number is the same as that to a wrong code.
    """
    require_secure(request)
    message = to_message(wire.UseSlipRequest, body, address=address_of(request.scope))
    await call_within_limit(request, members.UseSlip, message)


@router.post(
    "/scans",
    **documented(
        "Identify a scanned code",
        "members.Scan",
        example={**example_of(Scanned), "member": example_of(models.ListedMember)},
    ),
)
async def scan(request: Request, body: models.ScanBody, members: Members, circulation: Circulation) -> Scanned:
    """Find the member of a card number, alias or QR code in the caller's institution, or the item of a barcode."""
    reply = await call(request, members.Scan, to_message(wire.ScanRequest, body))
    item: dict[str, Any] = {}
    if reply.kind == "neither" and reply.looks_like not in _NO_ITEM:
        try:
            found = await call(request, circulation.FindItem, loans_pb2.FindItemRequest(item=body.code))
        except (Forbidden, Invalid, NotFound):
            pass
        else:
            lent = to_model(circulation_models.LentItem, found.item)
            item = {"kind": "item", "item": lent, "item_state": found.state, "looks_like": ""}
    return to_model(Scanned, reply, **item)
