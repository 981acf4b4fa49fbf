"""Routes with which staff read and answer conversations with people who wrote to the library."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import conversations_pb2 as wire
from rangkiang.notifications.v1 import models

router = APIRouter(tags=["conversations"], route_class=ApiRoute)

_ID = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
ConversationId = Annotated[str, Path(description="A conversation's identifier (UUID).", examples=[_ID])]


@router.get(
    "/conversations",
    **documented("Conversations with people who wrote to the library", "notifications.ListConversations"),
)
async def list_conversations(
    request: Request, query: Annotated[models.ConversationsQuery, Query()], notifications: Notifications
) -> models.Conversations:
    """List conversations. The audit log records each request."""
    message = to_message(wire.ListConversationsRequest, query)
    reply = await call(request, notifications.ListConversations, message)
    return to_model(models.Conversations, reply)


@router.get(
    "/conversations/{conversation_id}",
    **documented("A conversation with its last messages", "notifications.GetConversation", errors=(404,)),
)
async def get_conversation(
    request: Request, conversation_id: ConversationId, query: NoParameters, notifications: Notifications
) -> models.Conversation:
    """Return a conversation. The audit log records each request."""
    reply = await call(request, notifications.GetConversation, wire.GetConversationRequest(id=conversation_id))
    return to_model(models.Conversation, reply.conversation)


@router.post(
    "/conversations/{conversation_id}/assignments",
    **documented("Take a conversation over", "notifications.TakeConversation", errors=(404, 409)),
)
async def take_conversation(
    request: Request, conversation_id: ConversationId, notifications: Notifications
) -> models.ConversationState:
    """Show colleagues that the caller answers this conversation. A colleague's conversation can be taken over too."""
    reply = await call(request, notifications.TakeConversation, wire.TakeConversationRequest(id=conversation_id))
    return to_model(models.ConversationState, reply)


@router.post(
    "/conversations/{conversation_id}/replies",
    **documented("Answer a conversation", "notifications.ReplyConversation", errors=(404, 409)),
)
async def reply_conversation(
    request: Request, conversation_id: ConversationId, body: models.ReplyBody, notifications: Notifications
) -> models.ConversationState:
    """Send free text, within 24 hours of the person's last message."""
    message = to_message(wire.ReplyConversationRequest, body, id=conversation_id)
    reply = await call(request, notifications.ReplyConversation, message)
    return to_model(models.ConversationState, reply)


@router.post(
    "/conversations/{conversation_id}/closures",
    **documented("Close a conversation", "notifications.CloseConversation", errors=(404, 409)),
)
async def close_conversation(
    request: Request, conversation_id: ConversationId, notifications: Notifications
) -> models.ConversationState:
    """Close a conversation without an answer. The person's next message opens the conversation again."""
    reply = await call(request, notifications.CloseConversation, wire.CloseConversationRequest(id=conversation_id))
    return to_model(models.ConversationState, reply)
