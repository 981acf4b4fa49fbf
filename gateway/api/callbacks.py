"""What providers of channels call: the webhook of WhatsApp, whose signature says who calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, text
from gateway.api.schemas import JSON, ResponseModel
from gateway.clients import Notifications, call
from gateway.request_guard import accept_bodies
from rangkiang.notifications.v1 import conversations_pb2 as wire

router = APIRouter(tags=["callbacks of providers"], route_class=ApiRoute)

SERVICE = "/rangkiang.notifications.v1.Notifications"
# WhatsApp sends at most 3 MB.
LONGEST_BODY_BYTES = 3 * 1024 * 1024
SIGNATURE = "x-hub-signature-256"


class Question(QueryModel):
    """WhatsApp's request to verify the address."""

    mode: str = text("`subscribe`.", longest=40, example="subscribe", alias="hub.mode")
    token: str = text("The word that the library gave to WhatsApp.", longest=200, alias="hub.verify_token")
    challenge: str = text("What the answer repeats.", longest=200, example="1158201444", alias="hub.challenge")


class Received(ResponseModel):
    """What a callback changed."""

    statuses: int
    """Statuses that changed an attempt."""
    messages: int
    """Messages that were stored; repeated ones are not counted."""


@router.get(
    "/callbacks/whatsapp",
    response_class=PlainTextResponse,
    **documented(
        operation="verify_whatsapp",
        summary="WhatsApp checks the address of callbacks",
        content={"text/plain": {"example": "1158201444"}},
        errors=(400, 403, 429, 503, 504),
    ),
)
async def verify_whatsapp(
    request: Request, query: Annotated[Question, Query()], notifications: Notifications
) -> Response:
    """Repeats the challenge when the verify token is correct."""
    message = wire.VerifyWhatsAppRequest(mode=query.mode, token=query.token)
    await call(request, notifications.VerifyWhatsApp, message)
    return PlainTextResponse(query.challenge, headers={"Cache-Control": "no-store"})


@router.post(
    "/callbacks/whatsapp",
    response_model=Received,
    **documented(
        operation="receive_whatsapp",
        summary="A callback of WhatsApp",
        example={"statuses": 1, "messages": 0},
        errors=(400, 403, 413, 429, 503, 504),
        method=f"{SERVICE}/ReceiveWhatsApp",
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def receive_whatsapp(request: Request, notifications: Notifications) -> Response:
    """Statuses of messages, and messages of people. X-Hub-Signature-256 is checked; a second time changes nothing."""
    message = wire.ReceiveWhatsAppRequest(body=await request.body(), signature=request.headers.get(SIGNATURE, ""))
    reply = await call(request, notifications.ReceiveWhatsApp, message)
    received = Received(statuses=reply.statuses, messages=reply.messages)
    return Response(received.to_json(), media_type=JSON, headers={"Cache-Control": "no-store"})
