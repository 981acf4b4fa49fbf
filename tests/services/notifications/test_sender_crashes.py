"""After a crash of the sender a message's fate is looked up, it is sent again where that is safe, or it is unknown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from chassis import clock
from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Unavailable
from rangkiang.circulation.v1.events_pb2 import LoanOpened, LoanOverdue
from services.notifications.channels.limits import LimitedChannel
from services.notifications.ledger import resend_unknown
from services.notifications.rpc.sending import send_until
from services.notifications.tables import ChannelState
from tests.fakes.notices import FakeChannel, loan_copy
from tests.services.notifications.conftest import JAYAPURA, PADANG, PADANG_BRANCH, TEST, Office

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)  # 09.00 WIB


def lend(office: Office) -> None:
    office.deliver(LoanOpened(loan=loan_copy(office.owners.add(), PADANG, branch_id=PADANG_BRANCH)))


class Killed(BaseException):
    """The end of the process between two steps."""


def die_after(channel: FakeChannel, count: int, *, handed_over: bool) -> None:
    """Let the process die in the hand-over of the message with this number."""
    send = channel.send

    def send_or_die(message):
        if len(channel.tried) == count - 1 and not handed_over:
            channel.tried.append((clock.now(), message))
            raise Killed
        outcome = send(message)
        if len(channel.tried) == count:
            raise Killed
        return outcome

    channel.send = send_or_die


@pytest.mark.parametrize(
    ("deduplicates", "remembers", "expected"),
    [(False, True, "sent"), (True, False, "sent"), (False, False, "unknown")],
)
def test_after_a_crash_an_attempt_without_answer_is_asked_for_sent_once_more_or_unknown(
    database, deduplicates, remembers, expected
):
    channel = FakeChannel(deduplicates=deduplicates, remembers=remembers)
    office = Office(database, channels=[channel])
    die_after(channel, 1, handed_over=True)
    with clock.frozen(MORNING):
        lend(office)
        with pytest.raises(Killed):
            office.send()
        office.sender = office.new_sender()
        office.sender.recover()
        office.send()
    office.send_at(MORNING + timedelta(minutes=2))
    assert len(channel.sent) == 1, "nobody gets it twice"
    assert [row.state for row in office.notices()] == [expected]
    assert len(channel.tried) == (2 if deduplicates else 1)


def test_a_reminder_without_an_answer_is_sent_once_more_and_no_third_time(database):
    channel = FakeChannel()
    office = Office(database, channels=[channel])
    for crash in (1, 2):
        die_after(channel, crash, handed_over=True)
        with clock.frozen(MORNING + timedelta(minutes=2 * crash)):
            if crash == 1:
                late = loan_copy(office.owners.add(), PADANG, branch_id=PADANG_BRANCH, due_on=date(2026, 11, 20))
                office.deliver(LoanOverdue(loan=late, step=1, days=1, zone="Asia/Jakarta"))
            with pytest.raises(Killed):
                office.send()
            office.sender = office.new_sender()
            office.sender.recover()
        del channel.send
    office.send_at(MORNING + timedelta(hours=1))
    assert len(channel.sent) == 2
    assert [row.state for row in office.notices()] == ["unknown"]


def test_unknown_receipts_of_the_last_week_are_sent_again_together(database):
    channel = FakeChannel()
    office = Office(database, channels=[channel])
    for number, day in enumerate((MORNING - timedelta(days=8), MORNING), 1):
        die_after(channel, number, handed_over=True)
        with clock.frozen(day):
            lend(office)
            with pytest.raises(Killed):
                office.send()
            office.sender = office.new_sender()
            office.sender.recover()
        del channel.send
    caller = Context(institution=str(PADANG), actor="desk")
    with clock.frozen(MORNING + timedelta(hours=1)):
        with database.transaction(replace(caller, institution=str(JAYAPURA))) as session:
            assert resend_unknown(session, JAYAPURA, context=caller) == 0
        for expected in (1, 0):
            with database.transaction(caller) as session:
                assert resend_unknown(session, PADANG, context=caller) == expected
        office.send()
    assert [row.state for row in office.notices()] == ["unknown", "sent"]
    assert len(channel.sent) == 3


def test_a_crash_leaves_at_most_five_unknown_and_the_others_are_sent(database):
    channel = FakeChannel()
    office = Office(database, channels=[channel])
    die_after(channel, 13, handed_over=True)
    with clock.frozen(MORNING):
        for _ in range(30):
            lend(office)
        with pytest.raises(Killed):
            office.send()
        office.sender = office.new_sender()
        assert office.sender.recover() == 5  # messages 11 to 15: three of them were handed over
        del channel.send
        office.send()
    states = [row.state for row in office.notices()]
    assert (states.count("sent"), states.count("unknown")) == (25, 5)
    addresses = [message.address for _, message in channel.sent]
    assert len(addresses) == len(set(addresses)) == 28


class BusyOnce:
    """A database whose transaction with this number is refused, as one is that waited too long for its turn."""

    def __init__(self, database: Database, number: int, problem: Exception | None = None) -> None:
        self._database, self._number = database, number
        self._problem = problem or Unavailable("DATABASE_BUSY")

    def reading(self, context: Context):
        return self._database.reading(context)

    def transaction(self, context: Context):
        return self._counted(self._database.transaction(context))

    @contextmanager
    def _counted(self, transaction: AbstractContextManager) -> Iterator:
        self._number -= 1
        if self._number == 0:
            raise self._problem
        with transaction as session:
            yield session


@pytest.mark.parametrize("problem", [Unavailable("DATABASE_BUSY"), ValueError("of a message")], ids=["busy", "wrong"])
def test_a_handed_over_message_is_recorded_when_the_next_batch_cannot_begin(database, problem):
    office = Office(database)
    with clock.frozen(MORNING):
        for _ in range(12):
            lend(office)
        # Attempts of the first five; their outcomes and the attempts of the next five.
        office.database = BusyOnce(database, 2, problem)
        with pytest.raises(type(problem)):
            office.new_sender().run_round()
        office.database = database
        assert [row.state for row in office.attempts()] == ["accepted"] * 5
        office.send()
    addresses = [message.address for _, message in office.channels[0].sent]
    assert len(addresses) == len(set(addresses)) == 12


class LosesCommit(BusyOnce):
    """A database that goes away at the commit of the transaction with this number; nothing of it is kept."""

    @contextmanager
    def _counted(self, transaction: AbstractContextManager) -> Iterator:
        self._number -= 1
        with transaction as session:
            yield session
            if self._number == 0:
                raise Unavailable("DATABASE_UNAVAILABLE")


class Stop(threading.Event):
    """Nobody waits for it."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def run_with_lost_commit(office: Office, *, number: int) -> None:
    """Run the sender's job on a database that loses one commit, until nothing is left for now."""
    database, stop = office.database, Stop()
    office.database = losing = LosesCommit(database, number)
    sender = office.new_sender()
    run_round = sender.run_round

    def run_round_or_stop() -> float:
        seconds = run_round()
        if seconds:
            stop.set()
        return seconds

    sender.run_round = run_round_or_stop
    try:
        send_until(stop, sender)
    finally:
        office.database = database
    assert losing._number <= 0, "fewer transactions"


def test_a_message_handed_over_before_an_outage_of_the_database_is_not_handed_over_again(database):
    office = Office(database)
    with clock.frozen(MORNING):
        for _ in range(3):
            lend(office)
        # Attempts, outcomes.
        run_with_lost_commit(office, number=2)
    assert len(office.channels[0].sent) == 3
    assert [row.state for row in office.attempts()] == ["accepted"] * 3
    assert [row.state for row in office.notices()] == ["sent"] * 3


def test_the_health_of_a_channel_is_written_again_when_its_commit_was_lost(database):
    channel = LimitedChannel(FakeChannel())
    office = Office(database, channels=[channel])
    sender = office.new_sender()
    sender._database = LosesCommit(database, 2)
    with clock.frozen(MORNING):
        lend(office)
        with pytest.raises(Unavailable):
            sender.run_round()
        sender.recover()
        lend(office)
        sender.run_round()
    with database.reading(TEST) as session:
        assert [(row.name, row.circuit) for row in session.scalars(select(ChannelState))] == [("smtp", "closed")]
