"""Routes with which staff read and answer conversations with people who wrote to the library."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Body, ResponseModel
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import OneOf, QueryModel, WholeNumber, number, text
from gateway.api.schemas import MEMBER_ID_EXAMPLE
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
    state: Annotated[str, OneOf(("", "open", "done"))] = Field("", description="open or done; by default both.")
    cursor: str = text("The `next` value of the previous page, with the same state.", longest=64)
    limit: Annotated[int, WholeNumber(1, 200)] = number(50, "Conversations on a page.")


class ReplyBody(Body):
    """An answer to the person."""

    text: str = Field(description="Free text.", min_length=1, max_length=1_000, examples=["Baik, kami simpan bukunya."])


class ConversationMessage(ResponseModel):
    """A message of a conversation."""

    id: str
    """Identifier of the message."""
    is_inbound: bool
    """True for a message of the person, false for an answer."""
    text: str
    """Text of the message; empty for other content, such as a picture."""
    state: str
    """received, answered, waiting, sending, sent, failed or unknown."""
    at: str
    """Time at which the message was received or written."""


class Conversation(ResponseModel):
    """The messages of a person, and the answers."""

    id: str
    """Identifier of the conversation."""
    member_id: str
    """Identifier of the member; empty when the number belongs to no member or to several."""
    channel: str
    """The channel, such as whatsapp."""
    address: str
    """The person's number, E.164."""
    state: str
    """open, or done when staff have answered or closed the conversation."""
    last_at: str
    """Time of the person's last message."""
    window_until: str
    """Staff may answer with free text until this time."""
    messages: list[ConversationMessage]
    """The last ten messages, the oldest first."""
    taken_by: str
    """Staff account that has taken the conversation over; empty when there is none, or when the state is done."""
    taken_at: str | None = None
    """Time at which that account took the conversation over."""


class Conversations(ResponseModel):
    """A page of conversations: open ones in order of waiting time, the longest first; done ones, the newest first."""

    total: int
    """Number of conversations on all pages."""
    hits: list[Conversation]
    """The conversations."""
    next: str | None = None
    """Cursor of the next page; absent on the last page, and when the request names no state."""


class ConversationState(ResponseModel):
    """A conversation after an act."""

    id: str
    """Identifier of the conversation."""
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
        summary="Conversations with people who wrote to the library",
        example={"total": 1, "hits": [_EXAMPLE]},
        errors=_READ_ERRORS,
    ),
)
async def list_conversations(
    request: Request, query: Annotated[ConversationsQuery, Query()], notifications: Notifications
) -> Response:
    """List conversations. The audit log records each request."""
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
    """Return a conversation. The audit log records each request."""
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
    """Show colleagues that the caller answers this conversation. A colleague's conversation can be taken over too."""
    reply = await call(request, notifications.TakeConversation, wire.TakeConversationRequest(id=conversation_id))
    return private(ConversationState(id=reply.id, state=reply.state))


@router.post(
    "/conversations/{conversation_id}/replies",
    response_model=ConversationState,
    **documented(
        operation="reply_conversation",
        summary="Answer a conversation",
        example={"id": _ID, "state": "done"},
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/ReplyConversation",
    ),
)
async def reply_conversation(
    request: Request, conversation_id: ConversationId, body: ReplyBody, notifications: Notifications
) -> Response:
    """Send free text, within 24 hours of the person's last message."""
    message = wire.ReplyConversationRequest(id=conversation_id, text=body.text)
    reply = await call(request, notifications.ReplyConversation, message)
    return private(ConversationState(id=reply.id, state=reply.state))


@router.post(
    "/conversations/{conversation_id}/close",
    response_model=ConversationState,
    **documented(
        operation="close_conversation",
        summary="Close a conversation",
        example={"id": _ID, "state": "done"},
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/CloseConversation",
    ),
)
async def close_conversation(
    request: Request, conversation_id: ConversationId, notifications: Notifications
) -> Response:
    """Close a conversation without an answer. The person's next message opens the conversation again."""
    reply = await call(request, notifications.CloseConversation, wire.CloseConversationRequest(id=conversation_id))
    return private(ConversationState(id=reply.id, state=reply.state))
