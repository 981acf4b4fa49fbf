"""The sender after a crash: what was handed over is asked for, sent once more where that is safe, or unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chassis import clock
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
