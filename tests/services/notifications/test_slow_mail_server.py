"""A mail server that replies late: the sender waits for its reply (RFC 5321 §4.5.3.2.6) while other mails go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis import clock
from chassis.database.db import Database
from rangkiang.circulation.v1.events_pb2 import LoanOpened
from services.notifications.channels import smtp
from services.notifications.channels.limits import FAILURES, LimitedChannel
from services.notifications.channels.opening import open_channels
from services.notifications.channels.port import Channel, Outcome, send_and_wait
from tests.conditions import eventually
from tests.fakes.mail_server import MailServer
from tests.fakes.notices import loan_copy
from tests.services.notifications.conftest import PADANG, PADANG_BRANCH, Office
from tests.services.notifications.test_mail_channel import MESSAGE
from tests.services.notifications.test_sender_crashes import run_with_lost_commit

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def short_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "BLOCKING_SECONDS", 0.1)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer(requires_login=False) as server:
        server.held = 1
        yield server
        server.is_released.set()


def channel(server: MailServer, *, reply_seconds: float = 600, more: str = "") -> Channel:
    [opened] = open_channels(
        f"smtp://127.0.0.1:{server.port}?tls=none&from=pustaka%40kota.example&reply-timeout={reply_seconds}{more}"
    )
    return opened


def ended(channel: Channel, message_id: str) -> Outcome | None:
    """Wait until the outcome of a message is no longer pending."""
    outcomes: list[Outcome | None] = []

    def is_ended() -> bool:
        outcomes.append(channel.ask(message_id))
        last = outcomes[-1]
        return last is None or not last.is_pending

    eventually(is_ended)
    return outcomes[-1]


def lend(office: Office) -> None:
    office.deliver(LoanOpened(loan=loan_copy(office.owners.add(), PADANG, branch_id=PADANG_BRANCH)))


def test_other_mails_go_on_while_one_waits_for_its_reply(server: MailServer) -> None:
    opened = channel(server)
    first, second = replace(MESSAGE, id="first"), replace(MESSAGE, id="second")
    outcome = opened.send(first)
    assert (outcome.state, outcome.is_pending, outcome.is_channel_down) == ("unknown", True, False)
    assert opened.send(second).state == "accepted"
    asked = opened.ask("first")
    assert asked is not None
    assert asked.is_pending
    server.is_released.set()
    assert ended(opened, "first") == Outcome("accepted", provider_id="4FX9ZZ")
    assert opened.ask("first") is None
    opened.close()


@pytest.mark.parametrize(
    ("reply", "state", "reason"),
    [("554 5.6.0 Content", "permanent", "SMTP_554_5_6_0"), ("451 4.3.0 Later", "temporary", "SMTP_451_4_3_0")],
)
def test_a_late_refusal_is_a_refusal(server: MailServer, reply: str, state: str, reason: str) -> None:
    server.late_replies.append(reply)
    opened = channel(server)
    assert opened.send(MESSAGE).is_pending
    server.is_released.set()
    outcome = ended(opened, MESSAGE.id)
    assert outcome is not None
    assert (outcome.state, outcome.reason) == (state, reason)


def test_the_wait_ends_after_ten_minutes_or_what_the_url_says(server: MailServer) -> None:
    assert smtp.REPLY_SECONDS == 600
    opened = channel(server, reply_seconds=0.3)
    assert opened.send(MESSAGE).is_pending
    outcome = ended(opened, MESSAGE.id)
    assert outcome == Outcome("unknown", reason="MAIL_WITHOUT_REPLY", is_channel_down=True)


def test_the_reply_to_a_mail_may_take_longer_than_other_replies(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "BLOCKING_SECONDS", 5)
    opened = channel(server, more="&timeout=3")
    assert opened.send(MESSAGE).is_pending
    server.is_released.set()
    assert ended(opened, MESSAGE.id) == Outcome("accepted", provider_id="4FX9ZZ")
    opened.close()


def test_a_command_waits_for_the_reply(server: MailServer) -> None:
    server.late_replies.append("554 5.6.0 Content")
    opened = channel(server, reply_seconds=0.3)
    assert send_and_wait(opened, MESSAGE) == Outcome("unknown", reason="MAIL_WITHOUT_REPLY", is_channel_down=True)


def test_a_server_gets_only_some_connections_at_once(server: MailServer) -> None:
    server.is_slow = True
    opened = channel(server)
    outcomes = [opened.send(replace(MESSAGE, id=f"m-{number}")) for number in range(smtp.MOST_WAITING + 1)]
    assert [outcome.is_pending for outcome in outcomes] == [True] * smtp.MOST_WAITING + [False]
    assert outcomes[-1].reason == "RATE_LIMITED"
    assert len(server.mails) == server.connections == smtp.MOST_WAITING
    server.is_released.set()
    assert ended(opened, "m-0") is not None
    assert opened.send(replace(MESSAGE, id="next")).state == "accepted"
    opened.close()


def test_mails_without_a_reply_open_the_circuit(server: MailServer) -> None:
    server.is_slow = True
    opened = channel(server, reply_seconds=0.2)
    assert isinstance(opened, LimitedChannel)
    for number in range(FAILURES):
        assert opened.send(replace(MESSAGE, id=f"m-{number}")).is_pending
        assert opened.state().failures == number
        ended(opened, f"m-{number}")
    assert (opened.state().circuit, opened.state().reason) == ("open", "MAIL_WITHOUT_REPLY")


def test_a_notice_waits_for_its_reply_and_is_not_sent_again_meanwhile(database: Database, server: MailServer) -> None:
    office = Office(database, channels=[channel(server)])  # type: ignore[list-item]
    with clock.frozen(MORNING):
        for _ in range(3):
            lend(office)
        office.send()
        assert sorted(row.state for row in office.notices()) == ["sending", "sent", "sent"]
    # A failure of the database has the sender recover; the attempt is not lost, because the reply may still come.
    with clock.frozen(MORNING + timedelta(minutes=5)):
        assert office.sender.recover() == 0
        assert office.send() <= 1
        lend(office)
        office.send()
    assert (len(server.mails), len(office.attempts())) == (4, 4)
    assert sorted(row.state for row in office.notices()) == ["sending", "sent", "sent", "sent"]
    server.is_released.set()
    with clock.frozen(MORNING + timedelta(minutes=6)):
        eventually(lambda: office.send() > 0 and {row.state for row in office.notices()} == {"sent"})
    assert len(server.mails) == 4
    assert {row.state for row in office.attempts()} == {"accepted"}


def test_a_mail_whose_reply_is_late_is_not_sent_again_after_a_lost_commit(
    database: Database, server: MailServer
) -> None:
    office = Office(database, channels=[channel(server)])  # type: ignore[list-item]
    with clock.frozen(MORNING):
        lend(office)
        # Attempt, outcome.
        run_with_lost_commit(office, number=2)
    assert len(server.mails) == len(office.attempts()) == 1


def test_a_notice_whose_reply_never_comes_is_unknown(database: Database, server: MailServer) -> None:
    office = Office(database, channels=[channel(server, reply_seconds=0.3)])  # type: ignore[list-item]
    with clock.frozen(MORNING):
        lend(office)
        office.send()
        eventually(lambda: office.send() > 0 and {row.state for row in office.notices()} == {"unknown"})
    assert [(row.state, row.reason) for row in office.attempts()] == [("unknown", "MAIL_WITHOUT_REPLY")]
    assert len(server.mails) == 1
