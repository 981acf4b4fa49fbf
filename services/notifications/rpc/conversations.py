"""RPCs for conversations: callbacks of WhatsApp, and what staff read, take over, reply and close."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence
from uuid import UUID

import grpc
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.audit.access_log import AccessLog
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Forbidden
from chassis.ids import parse_id, parse_or_nil
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes_once
from chassis.security.encryption import MasterKey, require_master_key
from chassis.sentences import sentence
from rangkiang.notifications.v1 import conversations_pb2 as wire
from services.notifications.channels.whatsapp import read_numbers
from services.notifications.conversations import inbound, store
from services.notifications.conversations.callbacks import numbers_signed_by, read_callback
from services.notifications.conversations.statuses import record_status
from services.notifications.institutions import own_zone
from services.notifications.keys import read_own_master
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Conversation

log = logging.getLogger(__name__)

CALLBACKS = system("callbacks")
USUAL_CONVERSATIONS, MOST_CONVERSATIONS = 50, 200


class ConversationMethods:
    """The part of the servicer for callbacks and conversations."""

    _database: Database
    _access_log: AccessLog
    _settings: NotificationsSettings

    def ReceiveWhatsApp(
        self, request: wire.ReceiveWhatsAppRequest, _context: grpc.ServicerContext
    ) -> wire.ReceiveWhatsAppReply:
        numbers = read_numbers(self._settings)
        if not any(number.secret for number in numbers):
            raise Forbidden("CALLBACK_NOT_EXPECTED")
        signed = numbers_signed_by(request.body, request.signature, numbers)
        channels = {number.id: number.channel for number in signed.values()}
        statuses, messages = read_callback(request.body)
        others = ({status.number for status in statuses} | {message.number for message in messages}) - channels.keys()
        if others:
            log.warning("callback_of_other_number", extra={"numbers": sorted(others)})
        master, today = read_own_master(self._database, self._settings.master_key), clock.now().date()
        with self._database.transaction(CALLBACKS) as session:
            changed = [
                record_status(session, status, channel=channels[status.number], day=today)
                for status in statuses
                if status.number in channels
            ]
            count = inbound.add_inbound(session, messages, channels=channels, master=master)
        return wire.ReceiveWhatsAppReply(statuses=sum(changed), messages=count)

    def VerifyWhatsApp(
        self, request: wire.VerifyWhatsAppRequest, _context: grpc.ServicerContext
    ) -> wire.VerifyWhatsAppReply:
        expected = [number.verify_token for number in read_numbers(self._settings) if number.verify_token]
        is_right = any(hmac.compare_digest(request.token.encode(), token.encode()) for token in expected)
        if request.mode != "subscribe" or not is_right:
            raise Forbidden("CALLBACK_SIGNATURE_WRONG")
        return wire.VerifyWhatsAppReply()

    @reads
    def ListConversations(
        self, request: wire.ListConversationsRequest, session: Session, caller: Context
    ) -> wire.ListConversationsReply:
        limit = min(max(0, request.limit) or USUAL_CONVERSATIONS, MOST_CONVERSATIONS)
        page = store.list_conversations(session, state=request.state, limit=limit, cursor=request.cursor)
        # Without rows there may be no master key yet.
        opened = store.read_all_lines(session, self._master(), page.rows) if page.rows else []
        listed = [_conversation(row, *content) for row, content in zip(page.rows, opened, strict=True)]
        zone = own_zone(session, parse_id(caller.institution))
        for row in page.rows:
            self._record_read(caller, row.id)
        return wire.ListConversationsReply(conversations=listed, total=page.total, cursor=page.cursor, zone=zone)

    @reads
    def GetConversation(
        self, request: wire.GetConversationRequest, session: Session, caller: Context
    ) -> wire.GetConversationReply:
        row = store.find(session, request.id)
        conversation = _conversation(row, *store.read_lines(session, self._master(), row))
        self._record_read(caller, row.id)
        return wire.GetConversationReply(
            conversation=conversation, zone=own_zone(session, parse_id(caller.institution))
        )

    @writes_once
    def TakeConversation(
        self, request: wire.TakeConversationRequest, session: Session, caller: Context
    ) -> wire.TakeConversationReply:
        row = store.take(session, parse_or_nil(request.id), caller.actor)
        audit.record(session, caller, "notifications.take_conversation", kind="conversation", object_id=row.id)
        return wire.TakeConversationReply(id=str(row.id), state=row.state)

    @writes_once
    def ReplyConversation(
        self, request: wire.ReplyConversationRequest, session: Session, caller: Context
    ) -> wire.ReplyConversationReply:
        row = store.reply(session, self._master, parse_or_nil(request.id), request.text)
        audit.record(session, caller, "notifications.reply_conversation", kind="conversation", object_id=row.id)
        return wire.ReplyConversationReply(id=str(row.id), state=row.state)

    @writes_once
    def CloseConversation(
        self, request: wire.CloseConversationRequest, session: Session, caller: Context
    ) -> wire.CloseConversationReply:
        row = store.close(session, parse_or_nil(request.id))
        audit.record(session, caller, "notifications.close_conversation", kind="conversation", object_id=row.id)
        return wire.CloseConversationReply(id=str(row.id), state=row.state)

    def _record_read(self, caller: Context, row_id: UUID) -> None:
        self._access_log.record(caller, "notifications.read_conversation", kind="conversation", object_id=row_id)

    def _master(self) -> MasterKey:
        return require_master_key(self._settings.master_key)


def _conversation(row: Conversation, address: str, lines: Sequence[store.Line]) -> wire.Conversation:
    message = wire.Conversation(
        id=str(row.id),
        member_id=str(row.member_id or ""),
        channel=row.channel,
        address=address,
        state=row.state,
        last_at=timestamp(row.last_at),
        window_until=timestamp(row.last_at + inbound.WINDOW),
        taken_by=row.taken_by or "",
        taken_at=timestamp(row.taken_at),
    )
    damaged = sentence("MESSAGE_DAMAGED")
    for line in lines:
        text = f"{damaged.id}\n{damaged.en}" if line.is_unreadable else line.text
        message.messages.add(
            id=str(line.id), is_inbound=line.is_inbound, text=text, state=line.state, at=timestamp(line.at)
        )
    return message
