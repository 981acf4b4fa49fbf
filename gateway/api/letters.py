"""Routes of the print list: letters for members whom no channel reaches, as JSON and PDF, and their hand-over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import OpenSet, to_message, to_model
from chassis.queries import text
from gateway.api.openapi import ApiRoute, documented
from gateway.api.schemas import PDF_CONTENT
from gateway.clients import Notifications, call
from gateway.responses import download
from rangkiang.notifications.v1 import models, print_pb2

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_NOTICE_ID = "0192f3a4-5b6c-7d8e-9f11-23456789abcd"


class PdfQuery(models.LettersQuery):
    paper: Annotated[str, OpenSet(("", "a4", "58mm"))] = text("Paper; 58mm is that of a receipt printer.", longest=8)


@router.get("/notices/letters", **documented("The print list", "notifications.ListPrint"))
async def list_letters(
    request: Request, query: Annotated[models.LettersQuery, Query()], notifications: Notifications
) -> models.Letters:
    """List the letters by group or street. The caller also needs the scope members.contact."""
    reply = await call(request, notifications.ListPrint, to_message(print_pb2.ListPrintRequest, query))
    return to_model(models.Letters, reply)


@router.get(
    "/notices/letters.pdf",
    response_class=Response,
    **documented("The print list as PDF", "notifications.PrintLetters", content=PDF_CONTENT),
)
async def print_letters(
    request: Request, query: Annotated[PdfQuery, Query()], notifications: Notifications
) -> Response:
    """Print the letters of the print list, each on its own page. The caller also needs the scope members.contact."""
    message = to_message(print_pb2.PrintLettersRequest, query)
    reply = await call(request, notifications.PrintLetters, message)
    return download(reply.pdf, "letters.pdf", is_shown=True)


@router.post(
    "/notices/letters/handovers", **documented("Mark letters as handed over", "notifications.HandOver", errors=(409,))
)
async def hand_over_letters(
    request: Request, body: models.HandOverBody, notifications: Notifications
) -> models.HandedOver:
    """Mark notices as handed over. Notices that are not on the print list do not change."""
    reply = await call(request, notifications.HandOver, to_message(print_pb2.HandOverRequest, body))
    return to_model(models.HandedOver, reply)
