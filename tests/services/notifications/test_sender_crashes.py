"""The sender after a crash: what was handed over is asked for, sent once more where that is safe, or unknown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from chassis import clock
from chassis.context import Context
from chassis.db import Database
from chassis.errors import Unavailable
from rangkiang.circulation.v1.events_pb2 import LoanOpened
from tests.fakes.notices import FakeChannel, loan_fact
from tests.services.notifications.conftest import PADANG, PADANG_BRANCH, Office

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)  # 09.00 WIB


def lend(office: Office) -> None:
    office.deliver(LoanOpened(loan=loan_fact(office.owners.add(), PADANG, branch_id=PADANG_BRANCH)))


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

    def __init__(self, database: Database, number: int) -> None:
        self._database, self._number = database, number

    def reading(self, context: Context):
        return self._database.reading(context)

    @contextmanager
    def transaction(self, context: Context) -> Iterator:
        self._number -= 1
        if self._number == 0:
            raise Unavailable("DATABASE_BUSY")
        with self._database.transaction(context) as session:
            yield session


def test_what_was_handed_over_is_recorded_when_the_next_batch_cannot_begin(database):
    office = Office(database)
    with clock.frozen(MORNING):
        for _ in range(12):
            lend(office)
        # Decisions, the first five, the next five.
        office.database = BusyOnce(database, 3)
        with pytest.raises(Unavailable):
            office.new_sender().run_round()
        office.database = database
        assert [row.state for row in office.attempts()] == ["accepted"] * 5
        office.send()
    addresses = [message.address for _, message in office.channels[0].sent]
    assert len(addresses) == len(set(addresses)) == 12
