"""Letters for members whom no channel reaches: the print list, its PDF, and marking what was handed over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.member_models import MEMBER_ID_EXAMPLE, Body
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, text
from gateway.api.schemas import ID_PATTERN, ResponseModel
from gateway.api.serializers import plain
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import print_pb2

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
_NOTICE_ID = "0192f3a4-5b6c-7d8e-9f11-23456789abcd"
_PDF = {"application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.4"}}


class LettersQuery(QueryModel):
    by: str = text("group (class or study programme) or street.", longest=16, example="group")


class PdfQuery(LettersQuery):
    paper: str = text("a4, or 58mm for a receipt printer.", longest=8, example="a4")


class HandOverBody(Body):
    """Letters that were handed over."""

    notices: list[Annotated[str, Field(pattern=ID_PATTERN)]] = Field(
        description="Their notices.", min_length=1, max_length=1_000, examples=[[_NOTICE_ID]]
    )


class Letter(ResponseModel):
    """Notices of one member whom no channel reaches."""

    member_id: str
    """The member."""
    name: str
    """Name of the member, or of the guardian of a child."""
    address: str
    """Address of the letter."""
    notice_ids: list[str]
    """The notices in it."""
    titles: list[str]
    """Titles in it."""
    oldest_at: str | None = None
    """Time since which the first notice waits."""


class LetterGroup(ResponseModel):
    """Letters of one class, or of one street."""

    name: str
    """The class or street; empty when it is unknown."""
    letters: list[Letter]
    """In order of name."""


class Letters(ResponseModel):
    """The print list."""

    groups: list[LetterGroup]
    """Classes or streets in their order."""
    has_more: bool
    """There are other letters, which wait less long."""


class HandedOver(ResponseModel):
    """How many notices were marked."""

    count: int
    """Notices."""


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
        summary="Members whom no channel reaches",
        example={"groups": [{"name": "SMPN 1 · VII B", "letters": [_LETTER]}], "has_more": False},
        errors=ERRORS,
    ),
)
async def list_letters(
    request: Request, query: Annotated[LettersQuery, Query()], notifications: Notifications
) -> Response:
    """The print list by class or street; needs members.contact too."""
    reply = await call(request, notifications.ListPrint, print_pb2.ListPrintRequest(by=query.by))
    return private(Letters(groups=[LetterGroup(**plain(group)) for group in reply.groups], has_more=reply.has_more))


@router.get(
    "/notices/letters.pdf",
    response_class=Response,
    **documented(operation="print_letters", summary="The letters as PDF", errors=ERRORS, content=_PDF),
)
async def print_letters(
    request: Request, query: Annotated[PdfQuery, Query()], notifications: Notifications
) -> Response:
    """The letters of the print list, each on a page of its own."""
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
    """Notices that are not on the print list stay as they are."""
    reply = await call(request, notifications.HandOver, print_pb2.HandOverRequest(notice_ids=body.notices))
    return private(HandedOver(count=reply.count))
