"""Limits of a channel: a rate with bursts, and a circuit that opens after repeated failures.

The state is in the memory of the sender, of which only one runs at a time. The sender writes it to a table, where other
processes read it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from services.notifications.channels.port import AddressKind, Channel, Message, Outcome

log = logging.getLogger(__name__)

# Reasons of messages that were not handed over, because they must wait.
NOT_HANDED_OVER = ("CIRCUIT_OPEN", "RATE_LIMITED")
FAILURES = 5  # consecutive failures that open the circuit
OPEN_SECONDS = 30.0  # at first; doubled after each failed probe
MOST_OPEN_SECONDS = 900.0
RATES = {"email": (20.0, 100), "phone": (10.0, 40), "push": (50.0, 200), "none": (1e6, 1_000_000)}


class Rate:
    """Limits to `per_second` messages a second, after a burst of `burst`. Not safe for several threads."""

    def __init__(self, per_second: float, burst: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self.burst = max(1, burst)
        self._monotonic = monotonic
        self._allowance = float(self.burst)
        self._at = monotonic()

    def wait_seconds(self) -> float:
        """Take a token and return 0, or return the seconds until there is a token."""
        now = self._monotonic()
        self._allowance = min(float(self.burst), self._allowance + (now - self._at) * self.per_second)
        self._at = now
        if self._allowance >= 1 - 1e-6:
            self._allowance = max(0.0, self._allowance - 1)
            return 0.0
        return (1 - self._allowance) / self.per_second


@dataclass(frozen=True, slots=True)
class CircuitState:
    """The state of a circuit, for doctor and staff.

    circuit   "closed": messages are sent; "open": they wait; "half-open": one message is tried
    failures  number of consecutive failures
    reason    reason of the last failure
    """

    circuit: Literal["closed", "open", "half-open"]
    failures: int
    reason: str
    retry_in_seconds: float


class Circuit:
    """Stops sending after repeated failures of the channel, and tries one message (the probe) after a pause."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._reason = ""
        self._opened_at: float | None = None
        self._open_seconds = OPEN_SECONDS
        self._is_probing = False

    def wait_seconds(self) -> float:
        """Return 0 if a message may be sent, else the seconds to wait. The first message after a pause is the probe."""
        if self._opened_at is None:
            return 0.0
        left = self._opened_at + self._open_seconds - self._monotonic()
        if left > 0:
            return left
        if self._is_probing:
            return 1.0
        self._is_probing = True
        return 0.0

    def forget_probe(self) -> None:
        """Allow another probe, because this message was not sent."""
        self._is_probing = False

    def count(self, outcome: Outcome) -> None:
        """Count an outcome. A refused message counts as success of the channel, because the channel has answered."""
        was_probe, self._is_probing = self._is_probing, False
        if not outcome.is_channel_down:
            self._failures, self._reason, self._opened_at, self._open_seconds = 0, "", None, OPEN_SECONDS
            return
        self._failures += 1
        self._reason = outcome.reason
        if was_probe:
            self._open_seconds = min(self._open_seconds * 2, MOST_OPEN_SECONDS)
        if was_probe or self._failures >= FAILURES:
            self._opened_at = self._monotonic()

    def state(self) -> CircuitState:
        """Return the state now."""
        if self._opened_at is None:
            return CircuitState("closed", self._failures, self._reason, 0.0)
        left = max(0.0, self._opened_at + self._open_seconds - self._monotonic())
        return CircuitState("open" if left else "half-open", self._failures, self._reason, left)


class LimitedChannel(Channel):
    """A channel with its rate and circuit. A message that must wait has the outcome "temporary" with the seconds."""

    def __init__(
        self,
        channel: Channel,
        *,
        rate: float | None = None,
        burst: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        usual_rate, usual_burst = RATES[channel.address_kind]
        self.channel = channel
        self.name = channel.name
        self.address_kind: AddressKind = channel.address_kind
        self.institution = channel.institution
        self.deduplicates = channel.deduplicates
        self._rate = Rate(
            rate or usual_rate, burst or (max(1, int(rate)) if rate else usual_burst), monotonic=monotonic
        )
        self._circuit = Circuit(monotonic=monotonic)
        self._sleep = sleep
        self._turn = threading.Lock()
        self._pending: set[str] = set()

    def send(self, message: Message) -> Outcome:
        """Hand a message over if rate and circuit allow it; wait at most one second for the rate."""
        with self._turn:
            if seconds := self._circuit.wait_seconds():
                return Outcome("temporary", reason="CIRCUIT_OPEN", retry_after_seconds=max(1, round(seconds)))
            seconds = self._rate.wait_seconds()
            if 0 < seconds <= 1:
                self._sleep(seconds)
                seconds = self._rate.wait_seconds()
            if seconds:
                # Another message may be the probe, because this one was not sent.
                self._circuit.forget_probe()
                return Outcome("temporary", reason="RATE_LIMITED", retry_after_seconds=max(1, round(seconds)))
        outcome = self.channel.send(message)
        if outcome.is_pending:
            # It counts when `ask` returns the outcome. A probe stays the probe until then.
            self._pending.add(message.id)
        elif outcome.reason in NOT_HANDED_OVER:
            # It says nothing about the provider.
            self._circuit.forget_probe()
        else:
            self._count(outcome)
        return outcome

    def ask(self, message_id: str) -> Outcome | None:
        """Query the provider for the outcome of a message."""
        outcome = self.channel.ask(message_id)
        if message_id in self._pending and (outcome is None or not outcome.is_pending):
            self._pending.discard(message_id)
            self._count(outcome or Outcome("unknown"))
        return outcome

    def sign_in(self) -> Outcome | None:
        """Try the provider's sign-in, also when the circuit is open."""
        return self.channel.sign_in()

    def _count(self, outcome: Outcome) -> None:
        with self._turn:
            before = self._circuit.state().circuit
            self._circuit.count(outcome)
            after = self._circuit.state()
        if after.circuit == "open":
            details = {"reason": after.reason, "failures": after.failures, "seconds": round(after.retry_in_seconds)}
            log.warning("channel_circuit_open", extra={"channel": self.name, **details})
        elif before != "closed":
            log.info("channel_circuit_closed", extra={"channel": self.name})

    def state(self) -> CircuitState:
        """Return the state of the circuit."""
        with self._turn:
            return self._circuit.state()

    def close(self) -> None:
        """Close the channel's connections."""
        self.channel.close()
