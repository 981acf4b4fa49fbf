"""/notices/conversations: conversations that staff take over, answer and close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from gateway.clients import call, notifications
from gateway.sessions import session_of
from gateway.web.desk.lending import names_of
from gateway.web.desk.notices import moment
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import Wording, words_of
from rangkiang.notifications.v1 import conversations_pb2 as wire

router = SignedInRouter()

STATES = ("open", "done")
LONGEST_REPLY = 1_000
_PAGE = 50
_SNIPPET = 120
_FORM_FIELDS = {"REPLY_EMPTY": "text", "REPLY_TOO_LONG": "text", "WINDOW_CLOSED": "text"}
NOTES = {"taken": "conversations.taken", "answered": "conversations.answered", "closed": "conversations.closed"}


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation for templates.

    name     name of the member, else the person's number
    text     beginning of the person's last message
    owner    who has taken the conversation over: "self", "other", or "" for nobody
    """

    conversation: wire.Conversation
    name: str
    at: str
    text: str
    owner: str


@router.get("/notices/conversations")
async def list_conversations(request: Request) -> Response:
    state = request.query_params.get("state", "")
    state = state if state in STATES else STATES[0]
    cursor = request.query_params.get("cursor", "")[:500]
    message = wire.ListConversationsRequest(state=state, limit=_PAGE, cursor=cursor)
    reply = await call(request, notifications(request).ListConversations, message)
    names = await names_of(request, [conversation.member_id for conversation in reply.conversations]) or {}
    words = words_of(request)
    after = f"/notices/conversations?{urlencode({'state': state, 'cursor': reply.cursor})}" if reply.cursor else ""
    return page(
        request,
        "conversations.html",
        rows=[_row(request, conversation, names, words, reply.zone) for conversation in reply.conversations],
        total=reply.total,
        state=state,
        states=STATES,
        note=NOTES.get(request.query_params.get("note", ""), ""),
        first=f"/notices/conversations?state={state}" if cursor else "",
        after=after,
    )


@router.get("/notices/conversations/{conversation_id}")
async def show_conversation(request: Request) -> Response:
    return await _page(request, signed_in_form(request, {"text": ""}))


@router.post("/notices/conversations/{conversation_id}/take")
async def take_conversation(request: Request) -> Response:
    await read_form(request)
    conversation_id: str = request.path_params["conversation_id"]
    message = wire.TakeConversationRequest(id=conversation_id)
    next_page = f"/notices/conversations/{conversation_id}?note=taken"
    return await _act(request, notifications(request).TakeConversation, message, next_page)


@router.post("/notices/conversations/{conversation_id}/reply")
async def reply_conversation(request: Request) -> Response:
    """Send an answer, and return to the list of open conversations."""
    fields = await read_form(request)
    text = fields.get("text", "").replace("\r\n", "\n").strip()
    message = wire.ReplyConversationRequest(id=request.path_params["conversation_id"], text=text[: LONGEST_REPLY + 1])
    next_page = "/notices/conversations?note=answered"
    return await _act(request, notifications(request).ReplyConversation, message, next_page, text=text)


@router.post("/notices/conversations/{conversation_id}/close")
async def close_conversation(request: Request) -> Response:
    """Close a conversation that needs no answer, and return to the list of open conversations."""
    await read_form(request)
    message = wire.CloseConversationRequest(id=request.path_params["conversation_id"])
    next_page = "/notices/conversations?note=closed"
    return await _act(request, notifications(request).CloseConversation, message, next_page)


async def _act(request: Request, method: Any, message: Message, next_page: str, *, text: str = "") -> Response:
    """Call a method and redirect to `next_page`. A refusal is shown on the page of the conversation.

    text  text of the reply, which the form shows again after a refusal
    """
    form = signed_in_form(request, {"text": text})
    return await act_or_show(
        request, call(request, method, message), next_page, show=_page, form=form, form_fields=_FORM_FIELDS
    )


async def _page(request: Request, form: Form) -> Response:
    message = wire.GetConversationRequest(id=request.path_params["conversation_id"])
    reply = await call(request, notifications(request).GetConversation, message)
    conversation = reply.conversation
    names = await names_of(request, [conversation.member_id]) or {}
    words = words_of(request)
    return page(
        request,
        "conversation.html",
        row=_row(request, conversation, names, words, reply.zone),
        lines=[(line, moment(line.at, words, reply.zone)) for line in conversation.messages],
        taken_at=moment(conversation.taken_at, words, reply.zone),
        window_until=moment(conversation.window_until, words, reply.zone),
        may_reply=conversation.window_until.seconds > clock.now().timestamp(),
        longest=LONGEST_REPLY,
        note=NOTES.get(request.query_params.get("note", ""), ""),
        form=form,
    )


def _row(
    request: Request, conversation: wire.Conversation, names: dict[str, str], words: Wording, zone: str
) -> ConversationRow:
    inbound = [line.text for line in conversation.messages if line.is_inbound]
    text = " ".join(inbound[-1].split()) if inbound else ""
    session = session_of(request)
    own_id = session.account.id if session else ""
    return ConversationRow(
        conversation,
        names.get(conversation.member_id, "") or conversation.address or words.say("conversations.no_number"),
        moment(conversation.last_at, words, zone),
        text if len(text) <= _SNIPPET else text[: _SNIPPET - 1].rstrip() + "…",
        ("self" if conversation.taken_by == own_id else "other") if conversation.taken_by else "",
    )
