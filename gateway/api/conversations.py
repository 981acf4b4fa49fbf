"""Conversations with people who wrote to the library, for staff."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.member_models import MEMBER_ID_EXAMPLE, Body
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import OneOf, QueryModel, WholeNumber, number, text
from gateway.api.schemas import ResponseModel
from gateway.api.serializers import plain
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import conversations_pb2 as wire

router = APIRouter(tags=["conversations"], route_class=ApiRoute)

SERVICE = "/rangkiang.notifications.v1.Notifications"
_READ_ERRORS = (400, 401, 403, 429, 503, 504)
_WRITE_ERRORS = (400, 401, 403, 404, 409, 422, 429, 503, 504)
_ID = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
ConversationId = Annotated[str, Path(description="A conversation's identifier (UUID).", examples=[_ID])]


class ConversationsQuery(QueryModel):
    state: Annotated[str, OneOf(("", "open", "done"))] = Field("", description="open or done; both when empty.")
    cursor: str = text("`next` of the page before, with the same state.", longest=64)
    limit: Annotated[int, WholeNumber(1, 200)] = number(50, "Conversations on a page.")


class ReplyBody(Body):
    """An answer."""

    text: str = Field(description="Free text.", min_length=1, max_length=1_000, examples=["Baik, kami simpan bukunya."])


class ConversationMessage(ResponseModel):
    """A message of a conversation."""

    id: str
    """Its identifier."""
    is_inbound: bool
    """True when the person wrote it, false for an answer."""
    text: str
    """What was written; empty for pictures and the like."""
    state: str
    """received, answered, waiting, sending, sent, failed or unknown."""
    at: str
    """Time at which it was received or written."""


class Conversation(ResponseModel):
    """The messages of a person, and the answers."""

    id: str
    """Its identifier."""
    member_id: str
    """Empty when the number belongs to no member or to several."""
    channel: str
    """The channel, such as whatsapp."""
    address: str
    """The number, E.164."""
    state: str
    """open until staff have answered or closed it, or done."""
    last_at: str
    """When the person wrote last."""
    window_until: str
    """Free text may be sent until this time."""
    messages: list[ConversationMessage]
    """The last ten, the oldest first."""
    taken_by: str
    """The account of staff that sees to it; empty when nobody has taken it over, and when it is done."""
    taken_at: str | None = None
    """Since when."""


class Conversations(ResponseModel):
    """Conversations: open ones with the one that waits longest first, those that are done with the newest first."""

    total: int
    """Conversations in all."""
    hits: list[Conversation]
    """The conversations."""
    next: str | None = None
    """Cursor of the next page; absent on the last one, and without a state."""


class ConversationState(ResponseModel):
    """A conversation after an act."""

    id: str
    """Its identifier."""
    state: str
    """open or done."""


_EXAMPLE = {
    "id": _ID,
    "member_id": MEMBER_ID_EXAMPLE,
    "channel": "whatsapp",
    "address": "+6281266001133",
    "state": "open",
    "taken_by": "",
    "last_at": "2026-11-24T03:12:00Z",
    "window_until": "2026-11-25T03:12:00Z",
    "messages": [
        {
            "id": _ID,
            "is_inbound": True,
            "text": "Apakah hari Sabtu buka?",
            "state": "received",
            "at": "2026-11-24T03:12:01Z",
        }
    ],
}


@router.get(
    "/conversations",
    response_model=Conversations,
    **documented(
        operation="list_conversations",
        summary="What people wrote to the library",
        example={"total": 1, "hits": [_EXAMPLE]},
        errors=_READ_ERRORS,
    ),
)
async def list_conversations(
    request: Request, query: Annotated[ConversationsQuery, Query()], notifications: Notifications
) -> Response:
    """Each look is recorded."""
    message = wire.ListConversationsRequest(state=query.state, limit=query.limit, cursor=query.cursor)
    reply = await call(request, notifications.ListConversations, message)
    hits = [Conversation(**plain(hit)) for hit in reply.conversations]
    return private(Conversations(total=reply.total, hits=hits, next=reply.cursor or None))


@router.get(
    "/conversations/{conversation_id}",
    response_model=Conversation,
    **documented(
        operation="get_conversation",
        summary="A conversation with its last messages",
        example=_EXAMPLE,
        errors=(*_READ_ERRORS, 404),
    ),
)
async def get_conversation(
    request: Request,
    conversation_id: ConversationId,
    query: Annotated[QueryModel, Query()],
    notifications: Notifications,
) -> Response:
    """Each look is recorded."""
    reply = await call(request, notifications.GetConversation, wire.GetConversationRequest(id=conversation_id))
    return private(Conversation(**plain(reply.conversation)))


@router.post(
    "/conversations/{conversation_id}/take",
    response_model=ConversationState,
    **documented(
        operation="take_conversation",
        summary="Take a conversation over",
        example={"id": _ID, "state": "open"},
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/TakeConversation",
    ),
)
async def take_conversation(
    request: Request, conversation_id: ConversationId, notifications: Notifications
) -> Response:
    """Colleagues see that the caller sees to it; also one that a colleague has taken."""
    reply = await call(request, notifications.TakeConversation, wire.TakeConversationRequest(id=conversation_id))
    return private(ConversationState(id=reply.id, state=reply.state))


@router.post(
    "/conversations/{conversation_id}/replies",
    response_model=ConversationState,
    **documented(
        operation="reply_conversation",
        summary="Answer",
        example={"id": _ID, "state": "done"},
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/ReplyConversation",
    ),
)
async def reply_conversation(
    request: Request, conversation_id: ConversationId, body: ReplyBody, notifications: Notifications
) -> Response:
    """Free text, within 24 hours of the person's last message."""
    message = wire.ReplyConversationRequest(id=conversation_id, text=body.text)
    reply = await call(request, notifications.ReplyConversation, message)
    return private(ConversationState(id=reply.id, state=reply.state))


@router.post(
    "/conversations/{conversation_id}/close",
    response_model=ConversationState,
    **documented(
        operation="close_conversation",
        summary="End a conversation",
        example={"id": _ID, "state": "done"},
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/CloseConversation",
    ),
)
async def close_conversation(
    request: Request, conversation_id: ConversationId, notifications: Notifications
) -> Response:
    """The person's next message opens it again."""
    reply = await call(request, notifications.CloseConversation, wire.CloseConversationRequest(id=conversation_id))
    return private(ConversationState(id=reply.id, state=reply.state))
