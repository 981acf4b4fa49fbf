"""Routes that channel providers call: the WhatsApp webhook. A signature authenticates the caller."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from chassis.models import ResponseModel
from chassis.queries import QueryModel, text
from gateway.api.openapi import ApiRoute, documented
from gateway.api.schemas import JSON
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
        content={"text/plain": {"example": "1158201444"}},
        errors=(400, 403, 429, 503, 504),
    ),
)
async def verify_whatsapp(
    request: Request, query: Annotated[Question, Query()], notifications: Notifications
) -> Response:
    """Return the challenge when the verify token is correct."""
    message = wire.VerifyWhatsAppRequest(mode=query.mode, token=query.token)
    await call(request, notifications.VerifyWhatsApp, message)
    return PlainTextResponse(query.challenge, headers={"Cache-Control": "no-store"})


@router.post(
    "/callbacks/whatsapp",
    response_model=Received,
    **documented(
        "Receive a callback of WhatsApp",
        example={"statuses": 1, "messages": 0},
        errors=(400, 403, 413, 429, 503, 504),
        method=f"{SERVICE}/ReceiveWhatsApp",
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def receive_whatsapp(request: Request, notifications: Notifications) -> Response:
    """Store delivery statuses and messages from people, and check X-Hub-Signature-256. A repeat changes nothing."""
    message = wire.ReceiveWhatsAppRequest(body=await request.body(), signature=request.headers.get(SIGNATURE, ""))
    reply = await call(request, notifications.ReceiveWhatsApp, message)
    received = Received(statuses=reply.statuses, messages=reply.messages)
    return Response(received.to_json(), media_type=JSON, headers={"Cache-Control": "no-store"})
