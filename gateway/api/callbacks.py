"""Routes that channel providers call: the WhatsApp webhook. A signature authenticates the caller."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from chassis.models import ResponseModel
from chassis.queries import QueryModel, text
from gateway.api.openapi import ApiRoute, documented
from gateway.clients import Notifications, call
from gateway.request_guard import accept_bodies
from rangkiang.notifications.v1 import conversations_pb2 as wire

router = APIRouter(tags=["callbacks of providers"], route_class=ApiRoute)

# WhatsApp sends at most 3 MB.
LONGEST_BODY_BYTES = 3 * 1024 * 1024
SIGNATURE = "x-hub-signature-256"


class Question(QueryModel):
    """WhatsApp's request to verify the address."""

    mode: str = text("Must be `subscribe`.", longest=40, example="subscribe", alias="hub.mode")
    token: str = text("The verify token that the library entered at WhatsApp.", longest=200, alias="hub.verify_token")
    challenge: str = text("Text that the response repeats.", longest=200, example="1158201444", alias="hub.challenge")


class Received(ResponseModel):
    """What a callback changed, in numbers."""

    statuses: int
    """Number of statuses that changed an attempt."""
    messages: int
    """Number of stored messages; repeated messages are not counted."""


@router.get(
    "/callbacks/whatsapp",
    response_class=PlainTextResponse,
    **documented(
        "Verify the callback address for WhatsApp",
        "notifications.VerifyWhatsApp",
        errors=(403,),
        content={"text/plain": {"example": "1158201444"}},
    ),
)
async def verify_whatsapp(
    request: Request, query: Annotated[Question, Query()], notifications: Notifications
) -> Response:
    """Return the challenge when the verify token is correct."""
    message = wire.VerifyWhatsAppRequest(mode=query.mode, token=query.token)
    await call(request, notifications.VerifyWhatsApp, message)
    return PlainTextResponse(query.challenge)


@router.post(
    "/callbacks/whatsapp",
    **documented(
        "Receive a callback of WhatsApp",
        "notifications.ReceiveWhatsApp",
        errors=(403, 413),
        example={"statuses": 1, "messages": 0},
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def receive_whatsapp(request: Request, notifications: Notifications) -> Received:
    """Store delivery statuses and messages from people, and check X-Hub-Signature-256. A repeat changes nothing."""
    message = wire.ReceiveWhatsAppRequest(body=await request.body(), signature=request.headers.get(SIGNATURE, ""))
    reply = await call(request, notifications.ReceiveWhatsApp, message)
    return Received(statuses=reply.statuses, messages=reply.messages)
