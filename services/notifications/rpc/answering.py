"""The job that answers people who write to the library, and its calls to members and circulation."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from chassis import clock
from chassis.errors import Unavailable
from chassis.rpc.client import Stubs
from chassis.security.encryption import MasterKey
from chassis.sentences import LocalText
from chassis.service import Resources
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from rangkiang.members.v1 import contacts_pb2
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.notifications.channels.limits import NOT_HANDED_OVER
from services.notifications.channels.opening import open_own_channels
from services.notifications.channels.port import Channel, Message
from services.notifications.channels.whatsapp import read_numbers
from services.notifications.conversations import store
from services.notifications.conversations.answers import ANSWERING, Answerer, Owner, OwnLoan
from services.notifications.keys import read_own_master
from services.notifications.rpc.rounds import run_rounds
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Conversation

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
PAUSE_SECONDS = 0.5
# State of a message of the provider -> state of the answer; every other one is "failed".
_AFTER = {"accepted": "sent", "temporary": "waiting", "unknown": store.UNKNOWN}


def answer_messages(resources: Resources, stop: threading.Event) -> None:
    """Answer messages of people until `stop`. While members or circulation does not answer, messages wait."""
    own = resources.settings.of(NotificationsSettings)
    if not any(number.secret for number in read_numbers(own)):
        stop.wait()
        return
    channels = open_own_channels(own)
    by_name = {channel.name: channel for channel in channels if channel.address_kind == "phone"}
    circulation = CirculationOwners(resources)
    end_begun_answers(resources)

    def run_round() -> float:
        master = read_own_master(resources.database, own.master_key)
        count = Answerer(resources.database, circulation, master, by_name).run_round()
        count += send_answers(resources, by_name, master)
        return 0.0 if count else PAUSE_SECONDS

    run_rounds(stop, run_round, log_event="answers_wait")
    for channel in channels:
        channel.close()


def end_begun_answers(resources: Resources) -> int:
    """Mark answers as unknown that a process began but did not end. Returns their number."""
    with resources.database.transaction(ANSWERING) as session:
        count = store.end_begun_answers(session)
    if count:
        log.warning("answers_without_outcome", extra={"count": count})
    return count


def send_answers(resources: Resources, channels: Mapping[str, Channel], master: MasterKey) -> int:
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
            row = session.get(Conversation, conversation_id)
            if row is None or row.channel in away:
                continue
            if not store.move_answer(session, answer_id, before="waiting", after="sending"):
                continue
            channel_name = row.channel
            is_in_window = store.is_window_open(row.last_at, clock.now())
            address, lines = store.read_lines(session, master, row)
            text = next((line.text for line in lines if line.id == answer_id and not line.is_unreadable), None)
            message = Message(
                id=str(answer_id), kind="conversation", address=address, language=row.language, subject="",
                text=text or "", is_in_window=is_in_window,
            )  # fmt: skip
        # The conversation of unreadable messages has no number.
        channel = channels.get(channel_name) if address and text is not None else None
        outcome = channel.send(message) if channel is not None else None
        with database.transaction(ANSWERING) as session:
            after = _AFTER.get(outcome.state, "failed") if outcome is not None else "failed"
            store.move_answer(session, answer_id, before="sending", after=after)
        if outcome is None or outcome.state != "temporary":
            count += 1
        elif outcome.is_channel_down or outcome.reason in NOT_HANDED_OVER:
            away.append(channel_name)
    if away:
        raise Unavailable("CHANNEL_AWAY", channels=[*away])
    return count


class CirculationOwners:
    """Calls members and circulation over their contracts, with a limited token of the member who has written."""

    def __init__(self, resources: Resources) -> None:
        self._stubs = Stubs(resources.settings, caller="notifications")

    def institutions_of(self, phone: str) -> set[UUID]:
        reply = self._members().FindByPhone(contacts_pb2.FindByPhoneRequest(phone=phone), timeout=ASK_SECONDS)
        return {UUID(institution_id) for institution_id in reply.institution_ids}

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


def _sentences(refusals: Any) -> LocalText:
    texts = [refusal.sentence for refusal in refusals]
    return LocalText(" ".join(text.id for text in texts), " ".join(text.en for text in texts))
