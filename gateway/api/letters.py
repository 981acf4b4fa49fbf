"""Routes of the print list: letters for members whom no channel reaches, as JSON and PDF, and their hand-over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Body, ResponseModel
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, text
from gateway.api.schemas import ID_PATTERN, MEMBER_ID_EXAMPLE
from gateway.api.serializers import plain
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import print_pb2

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
_NOTICE_ID = "0192f3a4-5b6c-7d8e-9f11-23456789abcd"
_PDF = {"application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.4"}}


class LettersQuery(QueryModel):
    by: str = text("How letters are grouped: group (class or study programme) or street.", longest=16, example="group")


class PdfQuery(LettersQuery):
    paper: str = text("Paper: a4, or 58mm for a receipt printer.", longest=8, example="a4")


class HandOverBody(Body):
    """Letters that were handed over."""

    notices: list[Annotated[str, Field(pattern=ID_PATTERN)]] = Field(
        description="Ids of the notices in these letters.", min_length=1, max_length=1_000, examples=[[_NOTICE_ID]]
    )


class Letter(ResponseModel):
    """The notices of one member whom no channel reaches."""

    member_id: str
    """Identifier of the member."""
    name: str
    """Name of the member, or of the guardian of a child."""
    address: str
    """Address of the letter."""
    notice_ids: list[str]
    """Identifiers of the notices in the letter."""
    titles: list[str]
    """Titles in the letter."""
    oldest_at: str | None = None
    """Time since which the oldest notice waits, ISO 8601 in UTC."""


class LetterGroup(ResponseModel):
    """Letters of one class or study programme, or of one street."""

    name: str
    """The group or street; empty when unknown."""
    letters: list[Letter]
    """Letters by name."""


class Letters(ResponseModel):
    """The print list."""

    groups: list[LetterGroup]
    """Groups or streets by name."""
    has_more: bool
    """True when there are more letters, which have waited for less time."""


class HandedOver(ResponseModel):
    """The result of marking letters."""

    count: int
    """Number of notices that were marked."""


_LETTER = {
    "member_id": MEMBER_ID_EXAMPLE,
    "name": "Rahmawati",
    "address": "Jl. Proklamasi No. 4, Padang",
    "notice_ids": [_NOTICE_ID],
    "titles": ["Merantau ke Deli"],
    "oldest_at": "2026-11-20T19:00:02Z",
}


@router.get(
    "/notices/letters",
    response_model=Letters,
    **documented(
        operation="list_letters",
        summary="The print list",
        example={"groups": [{"name": "SMPN 1 · VII B", "letters": [_LETTER]}], "has_more": False},
        errors=ERRORS,
    ),
)
async def list_letters(
    request: Request, query: Annotated[LettersQuery, Query()], notifications: Notifications
) -> Response:
    """List the letters by group or street. The caller also needs the scope members.contact."""
    reply = await call(request, notifications.ListPrint, print_pb2.ListPrintRequest(by=query.by))
    return private(Letters(groups=[LetterGroup(**plain(group)) for group in reply.groups], has_more=reply.has_more))


@router.get(
    "/notices/letters.pdf",
    response_class=Response,
    **documented(operation="print_letters", summary="The print list as PDF", errors=ERRORS, content=_PDF),
)
async def print_letters(
    request: Request, query: Annotated[PdfQuery, Query()], notifications: Notifications
) -> Response:
    """Print the letters of the print list, each on its own page. The caller also needs the scope members.contact."""
    message = print_pb2.PrintLettersRequest(by=query.by, paper=query.paper)
    reply = await call(request, notifications.PrintLetters, message)
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'inline; filename="letters.pdf"'}
    return Response(reply.pdf, media_type="application/pdf", headers=headers)


@router.post(
    "/notices/letters/handed-over",
    response_model=HandedOver,
    **documented(
        operation="hand_over_letters",
        summary="Mark letters as handed over",
        example={"count": 1},
        errors=(*ERRORS, 409, 422),
        method=f"{_SERVICE}/HandOver",
    ),
)
async def hand_over(request: Request, body: HandOverBody, notifications: Notifications) -> Response:
    """Mark notices as handed over. Notices that are not on the print list do not change."""
    reply = await call(request, notifications.HandOver, print_pb2.HandOverRequest(notice_ids=body.notices))
    return private(HandedOver(count=reply.count))
