"""Rates and circuits of channels."""

from __future__ import annotations

from services.notifications.channels.limits import FAILURES, MOST_OPEN_SECONDS, OPEN_SECONDS, LimitedChannel
from services.notifications.channels.port import AddressKind, Message, Outcome

MESSAGE = Message(id="1", kind="loan_due_soon", address="+6281", language="id", subject="", text="Teks")
DOWN = Outcome("temporary", reason="MAIL_SERVER_AWAY", is_channel_down=True)
TAKEN = Outcome("accepted")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Provider:
    name = "sms"
    address_kind: AddressKind = "phone"
    deduplicates = False
    institution = ""

    def __init__(self) -> None:
        self.outcome = TAKEN
        self.sent = 0

    def send(self, _message: Message) -> Outcome:
        self.sent += 1
        return self.outcome

    def ask(self, _message_id: str) -> Outcome | None:
        return None

    def close(self) -> None:
        """Nothing."""


def limited(*, rate: float = 1_000.0, burst: int = 1_000) -> tuple[LimitedChannel, Provider, Clock]:
    clock, provider = Clock(), Provider()
    channel = LimitedChannel(provider, rate=rate, burst=burst, monotonic=clock, sleep=clock.sleep)
    return channel, provider, clock


def test_after_a_burst_messages_go_at_the_rate() -> None:
    channel, provider, clock = limited(rate=10.0, burst=20)
    began = clock.now
    for _ in range(120):
        assert channel.send(MESSAGE).state == "accepted"
    assert provider.sent == 120
    assert 9.9 < clock.now - began < 10.1


def test_a_slow_rate_does_not_hold_the_sender_but_says_when() -> None:
    channel, provider, clock = limited(rate=1 / 60, burst=1)
    assert channel.send(MESSAGE).state == "accepted"
    outcome = channel.send(MESSAGE)
    assert (outcome.state, outcome.reason, outcome.is_channel_down) == ("temporary", "RATE_LIMITED", False)
    assert outcome.retry_after_seconds == 60
    clock.now += 60
    assert channel.send(MESSAGE).state == "accepted"
    assert provider.sent == 2


def test_the_circuit_opens_after_repeated_failures_and_one_message_tries_again() -> None:
    channel, provider, clock = limited()
    provider.outcome = DOWN
    for _ in range(FAILURES):
        assert channel.state().circuit == "closed"
        assert channel.send(MESSAGE).reason == "MAIL_SERVER_AWAY"
    assert channel.state().circuit == "open"
    assert channel.state().reason == "MAIL_SERVER_AWAY"
    outcome = channel.send(MESSAGE)
    assert (outcome.state, outcome.reason, outcome.retry_after_seconds) == ("temporary", "CIRCUIT_OPEN", OPEN_SECONDS)
    assert provider.sent == FAILURES
    clock.now += OPEN_SECONDS
    assert channel.state().circuit == "half-open"
    channel.send(MESSAGE)
    assert (provider.sent, channel.state().circuit) == (FAILURES + 1, "open")
    clock.now += OPEN_SECONDS * 2
    provider.outcome = TAKEN
    assert channel.send(MESSAGE).state == "accepted"
    assert channel.state().circuit == "closed"
    assert channel.send(MESSAGE).state == "accepted"


def test_a_channel_that_stays_away_is_tried_every_fifteen_minutes() -> None:
    channel, provider, clock = limited()
    provider.outcome = DOWN
    for _ in range(200):
        channel.send(MESSAGE)
        clock.now += 60
    assert channel.state().retry_in_seconds <= MOST_OPEN_SECONDS
    assert 15 < provider.sent < 30


def test_messages_that_were_not_handed_over_do_not_close_the_circuit() -> None:
    channel, provider, _ = limited()
    for _ in range(FAILURES):
        provider.outcome = DOWN
        channel.send(MESSAGE)
        provider.outcome = Outcome("temporary", reason="RATE_LIMITED", retry_after_seconds=2)
        channel.send(MESSAGE)
    assert channel.state().circuit == "open"


def test_a_probe_that_was_not_handed_over_leaves_the_turn_to_the_next_message() -> None:
    channel, provider, clock = limited()
    provider.outcome = DOWN
    for _ in range(FAILURES):
        channel.send(MESSAGE)
    clock.now += OPEN_SECONDS
    provider.outcome = Outcome("temporary", reason="RATE_LIMITED", retry_after_seconds=2)
    channel.send(MESSAGE)
    assert channel.state().circuit == "half-open"
    provider.outcome = TAKEN
    assert channel.send(MESSAGE).state == "accepted"
    assert channel.state().circuit == "closed"


def test_refusals_of_messages_do_not_open_the_circuit() -> None:
    channel, provider, _ = limited()
    provider.outcome = Outcome("permanent", reason="SMTP_550", is_address_bad=True)
    for _ in range(FAILURES * 3):
        channel.send(MESSAGE)
    assert channel.state().circuit == "closed"
    assert provider.sent == FAILURES * 3


def test_one_message_that_goes_ends_a_row_of_failures() -> None:
    channel, provider, _ = limited()
    for _ in range(FAILURES):
        provider.outcome = DOWN
        for _ in range(FAILURES - 1):
            channel.send(MESSAGE)
        provider.outcome = TAKEN
        channel.send(MESSAGE)
    assert channel.state().circuit == "closed"


def test_a_probe_that_the_rate_holds_back_is_not_the_probe() -> None:
    channel, provider, clock = limited(rate=1 / 600, burst=FAILURES)
    provider.outcome = DOWN
    for _ in range(FAILURES):
        channel.send(MESSAGE)
    clock.now += OPEN_SECONDS
    assert channel.send(MESSAGE).reason == "RATE_LIMITED"
    clock.now += 600
    provider.outcome = TAKEN
    assert channel.send(MESSAGE).state == "accepted"
