"""RPCs for WhatsApp callbacks and conversations; the job that answers, and its calls to other services."""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.orm import Session

from chassis import audit, clock, rpc
from chassis.addresses import networks
from chassis.audit.access_log import AccessLog
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Error, Forbidden, Unavailable
from chassis.ids import parse_id
from chassis.rpc.client import Stubs
from chassis.rpc.methods import writes_once
from chassis.security.encryption import MasterKey, require_master_key
from chassis.sentences import LocalText, sentence
from chassis.service import Resources
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from rangkiang.members.v1 import contacts_pb2
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from rangkiang.notifications.v1 import conversations_pb2 as wire
from services.notifications.channels.limits import NOT_HANDED_OVER
from services.notifications.channels.opening import open_channels, parse_channels
from services.notifications.channels.port import Channel, Message
from services.notifications.channels.whatsapp import Number, read_numbers
from services.notifications.conversations import inbound, store
from services.notifications.conversations.answers import ANSWERING, Answerer, Owner, OwnLoan
from services.notifications.conversations.callbacks import numbers_signed_by, read_callback
from services.notifications.conversations.statuses import record_status
from services.notifications.institutions import own_zone
from services.notifications.keys import read_own_master
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Conversation

log = logging.getLogger(__name__)

CALLBACKS = system("callbacks")
ASK_SECONDS = 5.0
AWAY_SECONDS = 5.0
PAUSE_SECONDS = 0.5
USUAL_CONVERSATIONS, MOST_CONVERSATIONS = 50, 200


class ConversationMethods:
    """The part of the servicer for callbacks and conversations."""

    _database: Database
    _resources: Resources

    @cached_property
    def _conversation_access_log(self) -> AccessLog:
        return AccessLog(self._resources.database)

    def _own(self) -> NotificationsSettings:
        return self._resources.settings.of(NotificationsSettings)

    def _master(self) -> MasterKey:
        return require_master_key(self._own().master_key)

    def ReceiveWhatsApp(
        self, request: wire.ReceiveWhatsAppRequest, _context: grpc.ServicerContext
    ) -> wire.ReceiveWhatsAppReply:
        own = self._own()
        numbers = _numbers(own)
        if not any(number.secret for number in numbers):
            raise Forbidden("CALLBACK_NOT_EXPECTED")
        signed = numbers_signed_by(request.body, request.signature, numbers)
        channels = {number.id: number.channel for number in signed.values()}
        statuses, messages = read_callback(request.body)
        others = ({status.number for status in statuses} | {one.number for one in messages}) - channels.keys()
        if others:
            log.warning("callback_of_other_number", extra={"numbers": sorted(others)})
        master, today = read_own_master(self._resources.database, own.master_key), clock.now().date()
        with self._resources.database.transaction(CALLBACKS) as session:
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
        expected = [number.verify_token for number in _numbers(self._own()) if number.verify_token]
        is_right = any(hmac.compare_digest(request.token.encode(), token.encode()) for token in expected)
        if request.mode != "subscribe" or not is_right:
            raise Forbidden("CALLBACK_SIGNATURE_WRONG")
        return wire.VerifyWhatsAppReply()

    def ListConversations(
        self, request: wire.ListConversationsRequest, context: grpc.ServicerContext
    ) -> wire.ListConversationsReply:
        caller = rpc.context(context)
        limit = min(max(0, request.limit) or USUAL_CONVERSATIONS, MOST_CONVERSATIONS)
        with self._database.reading(caller) as session:
            page = store.list_conversations(session, state=request.state, limit=limit, cursor=request.cursor)
            # Without rows there may be no master key yet.
            opened = store.read_all_lines(session, self._master(), page.rows) if page.rows else []
            listed = [_conversation(row, *content) for row, content in zip(page.rows, opened, strict=True)]
            zone = own_zone(session, parse_id(caller.institution))
        for row in page.rows:
            self._record_look(caller, row.id)
        return wire.ListConversationsReply(conversations=listed, total=page.total, cursor=page.cursor, zone=zone)

    def GetConversation(
        self, request: wire.GetConversationRequest, context: grpc.ServicerContext
    ) -> wire.GetConversationReply:
        caller = rpc.context(context)
        with self._database.reading(caller) as session:
            row = store.find(session, request.id)
            conversation = _conversation(row, *store.read_lines(session, self._master(), row))
            zone = own_zone(session, parse_id(caller.institution))
        self._record_look(caller, row.id)
        return wire.GetConversationReply(conversation=conversation, zone=zone)

    @writes_once
    def TakeConversation(
        self, request: wire.TakeConversationRequest, session: Session, caller: Context
    ) -> wire.TakeConversationReply:
        row = store.take(session, parse_id(request.id), caller.actor)
        audit.record(session, caller, "notifications.take_conversation", kind="conversation", object_id=row.id)
        return wire.TakeConversationReply(id=str(row.id), state=row.state)

    def _record_look(self, caller: Context, conversation_id: UUID) -> None:
        self._conversation_access_log.record(
            caller, "notifications.read_conversation", kind="conversation", object_id=conversation_id
        )

    @writes_once
    def ReplyConversation(
        self, request: wire.ReplyConversationRequest, session: Session, caller: Context
    ) -> wire.ReplyConversationReply:
        row = store.reply(session, self._master, parse_id(request.id), request.text)
        audit.record(session, caller, "notifications.reply_conversation", kind="conversation", object_id=row.id)
        return wire.ReplyConversationReply(id=str(row.id), state=row.state)

    @writes_once
    def CloseConversation(
        self, request: wire.CloseConversationRequest, session: Session, caller: Context
    ) -> wire.CloseConversationReply:
        row = store.close(session, parse_id(request.id))
        audit.record(session, caller, "notifications.close_conversation", kind="conversation", object_id=row.id)
        return wire.CloseConversationReply(id=str(row.id), state=row.state)


class CirculationOwners:
    """Calls members and circulation over their contracts, with a limited token of the member who has written."""

    def __init__(self, resources: Resources) -> None:
        self._stubs = Stubs(resources.settings, caller="notifications")

    def institutions_of(self, phone: str) -> set[UUID]:
        reply = self._members().FindByPhone(contacts_pb2.FindByPhoneRequest(phone=phone), timeout=ASK_SECONDS)
        return {UUID(one) for one in reply.institution_ids}

    def find_owner(self, phone: str, institution_id: UUID) -> Owner | None:
        request = contacts_pb2.FindByPhoneRequest(phone=phone, institution_id=str(institution_id))
        reply = self._members().FindByPhone(request, timeout=ASK_SECONDS)
        if reply.found != "one":
            return None
        return Owner(UUID(reply.member_id), UUID(reply.institution_id), reply.language or "id")

    def list_loans(self, owner: Owner) -> Sequence[OwnLoan]:
        metadata = self._metadata(owner, "loans")
        request = loans_pb2.ListOwnLoansRequest()
        reply = self._circulation().ListOwnLoans(request, timeout=ASK_SECONDS, metadata=metadata)
        return [OwnLoan(loan.item.title, date.fromisoformat(loan.due_on)) for loan in reply.loans]

    def renew_loans(self, owner: Owner, *, key: str) -> Sequence[OwnLoan]:
        metadata = [*self._metadata(owner, "renew_all"), ("idempotency-key", key)]
        request = loans_pb2.RenewOwnLoansRequest()
        reply = self._circulation().RenewOwnLoans(request, timeout=ASK_SECONDS, metadata=metadata)
        return [
            OwnLoan(
                renewal.loan.item.title,
                date.fromisoformat(renewal.loan.due_on),
                None if renewal.is_renewed else _sentences(renewal.refusals),
            )
            for renewal in reply.renewals
        ]

    def _metadata(self, owner: Owner, act: str) -> list[tuple[str, str]]:
        request = contacts_pb2.IssueMemberActTokenRequest(member_id=str(owner.member_id), act=act)
        reply = self._members().IssueMemberActToken(request, timeout=ASK_SECONDS)
        return [("authorization", f"Bearer {reply.token.token}"), ("x-language", owner.language)]

    def _members(self) -> Any:
        return self._stubs.of("members", MembersStub)

    def _circulation(self) -> Any:
        return self._stubs.of("circulation", CirculationStub)


def answer_messages(resources: Resources, stop: threading.Event) -> None:
    """Answer messages of people until `stop`. While members or circulation does not answer, messages wait."""
    own = resources.settings.of(NotificationsSettings)
    if not any(number.secret for number in _numbers(own)):
        stop.wait()
        return
    channels = open_channels(own.channels, allowed_networks=networks(own.outgoing_private_networks))
    by_name = {channel.name: channel for channel in channels if channel.address_kind == "phone"}
    circulation = CirculationOwners(resources)
    last_reason = ""
    end_begun_answers(resources)
    while not stop.is_set():
        try:
            master = read_own_master(resources.database, own.master_key)
            count = Answerer(resources.database, circulation, master, by_name).run_round()
            count += send_answers(resources, by_name, master)
            last_reason = ""
        except Error as problem:
            if problem.reason != last_reason:
                log.warning("answers_wait", extra={"reason": problem.reason})
            last_reason = problem.reason
            stop.wait(AWAY_SECONDS)
            continue
        if not count:
            stop.wait(PAUSE_SECONDS)
    for channel in channels:
        channel.close()


def end_begun_answers(resources: Resources) -> int:
    """Mark answers as unknown that a process began but did not end. Returns their number."""
    with resources.database.transaction(ANSWERING) as session:
        count = store.end_begun_answers(session)
    if count:
        log.warning("answers_without_outcome", extra={"count": count})
    return count


def send_answers(resources: Resources, channels: dict[str, Channel], master: MasterKey) -> int:
    """Send waiting answers. An answer that was begun before a crash is not sent again.

    A temporary refusal for one number, such as after many messages, does not delay answers to other numbers. A channel
    that fails does not delay answers over other channels.

    returns  the number of answers that no longer wait
    raises   Unavailable  CHANNEL_AWAY
    """
    database = resources.database
    with database.reading(ANSWERING) as session:
        waiting = store.waiting_answers(session)
    count = 0
    away: list[str] = []
    for answer_id, conversation_id in waiting:
        with database.transaction(ANSWERING) as session:
            if not store.move_answer(session, answer_id, before="waiting", after="sending"):
                continue
            row = session.get_one(Conversation, conversation_id)
            if row.channel in away:
                store.move_answer(session, answer_id, before="sending", after="waiting")
                continue
            address, lines = store.read_lines(session, master, row)
            channel_name, language = row.channel, row.language
            is_in_window = store.is_window_open(row.last_at, clock.now())
        answer = next((line for line in lines if line.id == answer_id and not line.is_unreadable), None)
        # The conversation of unreadable messages has no number.
        channel = channels.get(channel_name) if address and answer else None
        message = Message(
            id=str(answer_id),
            kind="conversation",
            address=address,
            language=language,
            subject="",
            text=answer.text if answer else "",
            is_in_window=is_in_window,
        )
        outcome = channel.send(message) if channel else None
        states = {"accepted": "sent", "temporary": "waiting", "unknown": store.UNKNOWN}
        after = states.get(outcome.state if outcome else "", "failed")
        with database.transaction(ANSWERING) as session:
            store.move_answer(session, answer_id, before="sending", after=after)
        if outcome is None or outcome.state != "temporary":
            count += 1
        elif outcome.is_channel_down or outcome.reason in NOT_HANDED_OVER:
            away.append(channel_name)
    if away:
        raise Unavailable("CHANNEL_AWAY", channel=", ".join(away))
    return count


def _numbers(own: NotificationsSettings) -> list[Number]:
    """Return the numbers of CHANNELS, with the secrets of callbacks."""
    secret, verify_token = own.whatsapp_app_secret, own.whatsapp_verify_token
    return read_numbers(parse_channels(own.channels), secret=secret, verify_token=verify_token)


def _sentences(refusals: Any) -> LocalText:
    texts = [refusal.sentence for refusal in refusals]
    return LocalText(" ".join(text.id for text in texts), " ".join(text.en for text in texts))


def _conversation(row: Conversation, address: str, lines: Sequence[store.Line]) -> wire.Conversation:
    message = wire.Conversation(
        id=str(row.id),
        member_id=str(row.member_id or ""),
        channel=row.channel,
        address=address,
        state=row.state,
        last_at=_timestamp(row.last_at),
        window_until=_timestamp(row.last_at + inbound.WINDOW),
        taken_by=row.taken_by or "",
        taken_at=_timestamp(row.taken_at) if row.taken_at is not None else None,
    )
    damaged = sentence("MESSAGE_DAMAGED")
    for line in lines:
        text = f"{damaged.id}\n{damaged.en}" if line.is_unreadable else line.text
        message.messages.add(
            id=str(line.id), is_inbound=line.is_inbound, text=text, state=line.state, at=_timestamp(line.at)
        )
    return message


def _timestamp(moment: Any) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
