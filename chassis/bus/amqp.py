"""The bus of a cluster: RabbitMQ, with its topology and confirmed publishing.

    rangkiang.events (topic) ──type──▶ <service>.<handler>.v1 ──▶ worker ──fails──▶ ….wait.<ms> ──TTL──▶ first queue
        └─ no queue bound: rangkiang.unrouted                        └──attempts used up──▶ ….dead

No declaration says quorum or classic: the virtual host's default queue type decides.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import amqp
from kombu.connection import Connection
from kombu.exceptions import KombuError

from chassis.bus import ENVELOPE, Event
from chassis.errors import Invalid, Unavailable
from chassis.service import Consumer, Resources

log = logging.getLogger(__name__)

EXCHANGE = "rangkiang.events"
UNROUTED = "rangkiang.unrouted"
UNROUTED_KEPT_MS = 7 * 24 * 3600 * 1000
UNROUTED_AT_MOST = 100_000
TOPOLOGY = "v1"  # a queue cannot be declared anew with other arguments: change them and this together
CONNECT_SECONDS = 5
CONFIRM_SECONDS = 10
PERSISTENT = 2
_PROPERTIES = ("type", "body")  # of an event that are no headers
_READERS: dict[str, Callable[[Any], Any]] = {"version": int, "occurred_at": datetime.fromisoformat}


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as the broker has it."""

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    type: str = ""
    message_id: str = ""


class Publisher:
    """Publishes with confirms, many in flight at once; connects when needed, and again after a failure."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: Any = None
        self._channel: Any = None
        self._sent = 0
        self._open: set[int] = set()
        self._refused: set[int] = set()
        self._returned: set[str] = set()

    def send(self, letters: Sequence[Letter], *, mandatory: bool = False) -> list[bool]:
        """Publish messages and wait until the broker has answered for each.

        mandatory  a message that no queue takes counts as refused
        returns    for each whether the broker has stored it
        raises     Unavailable  BUS_UNAVAILABLE; some may have arrived nevertheless
        """
        with self._lock, _named_outage(self.close):
            channel = self._confirming_channel()
            self._refused.clear()
            self._returned.clear()
            tags = []
            for letter in letters:
                self._sent += 1
                self._open.add(self._sent)
                tags.append(self._sent)
                _put(channel, letter, mandatory=mandatory)
            while self._open:
                self._connection.drain_events(timeout=CONFIRM_SECONDS)
            return [
                tag not in self._refused and letter.message_id not in self._returned
                for tag, letter in zip(tags, letters, strict=True)
            ]

    def channel(self) -> Any:
        """The open channel, for declaring and fetching. Raises Unavailable BUS_UNAVAILABLE."""
        with self._lock, _named_outage(self.close):
            return self._confirming_channel()

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            # Only our end: the broker may not answer any more.
            connection.collect(socket_timeout=1)

    def _confirming_channel(self) -> Any:
        if self._channel is None:
            self._connection = Connection(self._url, connect_timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
            self._connection.connect()
            self._channel = self._connection.channel()
            declare_events(self._channel)
            self._channel.confirm_select()
            self._channel.events["basic_ack"].add(self._on_ack)
            self._channel.events["basic_nack"].add(self._on_nack)
            self._channel.events["basic_return"].add(self._on_return)
            self._sent, self._open = 0, set()
        return self._channel

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._open -= self._answered(tag, multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        refused = self._answered(tag, multiple)
        self._refused |= refused
        self._open -= refused

    def _on_return(self, _problem: Exception, _exchange: str, _routing_key: str, message: Any) -> None:
        self._returned.add(message.properties.get("message_id", ""))

    def _answered(self, tag: int, multiple: bool) -> set[int]:
        return {sent for sent in self._open if sent <= tag} if multiple else {tag}


class AmqpBus:
    """Publishes events to `rangkiang.events`; workers of each service take them from there."""

    writes_databases = False

    def __init__(self, url: str) -> None:
        self._publisher = Publisher(url)

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        if not events:
            return []
        safe = self._publisher.send([letter_of(event) for event in events])
        if not all(safe):
            log.warning("events_refused", extra={"refused": safe.count(False), "of": len(safe)})
        return [event.id for event, taken in zip(events, safe, strict=True) if taken]

    def check(self) -> None:
        self._publisher.close()
        self._publisher.channel()

    def close(self) -> None:
        self._publisher.close()


def open_amqp(url: str, *, resources: Resources | None = None) -> AmqpBus:
    """Adapter for `amqp:` and `amqps:`."""
    return AmqpBus(url)


def queue_of(service: str, handler: str) -> str:
    return f"{service}.{handler}.{TOPOLOGY}"


def dead_queue(queue: str) -> str:
    return f"{queue}.dead"


def wait_queue(queue: str, seconds: float) -> str:
    return f"{queue}.wait.{_ms(seconds)}"


def declare_events(channel: Any) -> None:
    """Declare the exchange of all events, and the queue of those that no handler is bound to yet."""
    limits = {"x-message-ttl": UNROUTED_KEPT_MS, "x-max-length": UNROUTED_AT_MOST}
    channel.exchange_declare(UNROUTED, "fanout", durable=True, auto_delete=False)
    channel.queue_declare(UNROUTED, durable=True, auto_delete=False, arguments=limits)
    channel.queue_bind(UNROUTED, UNROUTED)
    arguments = {"alternate-exchange": UNROUTED}
    channel.exchange_declare(EXCHANGE, "topic", durable=True, auto_delete=False, arguments=arguments)


def declare_handler(channel: Any, service: str, consumer: Consumer, backoff: Iterable[float]) -> None:
    """Declare a handler's queues: its own, one for each length of waiting, and that of the dead."""
    queue = queue_of(service, consumer.name)
    channel.queue_declare(dead_queue(queue), durable=True, auto_delete=False)
    _declare_dead_lettering(channel, queue, to=dead_queue(queue))
    for seconds in sorted(set(backoff)):
        _declare_dead_lettering(channel, wait_queue(queue, seconds), to=queue, ttl={"x-message-ttl": _ms(seconds)})
    channel.queue_bind(queue, EXCHANGE, consumer.event.DESCRIPTOR.full_name)


def letter_of(event: Event) -> Letter:
    """The message of an event: everything but its body and type is in headers."""
    headers = {name: value for name, value in event.envelope.items() if name not in _PROPERTIES}
    return Letter(
        exchange=EXCHANGE,
        routing_key=event.type,
        body=event.body.encode(),
        type=event.type,
        message_id=str(event.id),
        headers={**headers, "event_id": str(event.id), "occurred_at": event.occurred_at.isoformat()},
    )


def event_of(letter: Letter) -> Event:
    """The event in a message. Raises Invalid EVENT_UNREADABLE."""
    values = {"traceparent": "", **letter.headers, "type": letter.type}
    try:
        values["body"] = letter.body.decode()
        return Event(id=UUID(values["event_id"]), **{name: _READERS.get(name, str)(values[name]) for name in ENVELOPE})
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        raise Invalid("EVENT_UNREADABLE", why=f"{type(problem).__name__}: {problem}"[:200]) from problem


def letter_from(message: Any) -> Letter:
    """A received message (py-amqp's or kombu's), whatever is in it."""
    body, properties, info = message.body, message.properties, message.delivery_info
    return Letter(
        exchange=str(info.get("exchange", "")),
        routing_key=str(info.get("routing_key", "")),
        body=body.encode() if isinstance(body, str) else bytes(body or b""),
        headers=dict(getattr(message, "headers", None) or properties.get("application_headers") or {}),
        type=str(properties.get("type") or ""),
        message_id=str(properties.get("message_id") or ""),
    )


def moved_to(queue: str, letter: Letter, **headers: Any) -> Letter:
    """The same message for another queue, without the broker's own headers (`x-…`)."""
    kept = {name: value for name, value in letter.headers.items() if not name.startswith("x-")}
    return replace(letter, exchange="", routing_key=queue, headers={**kept, **headers})


def _declare_dead_lettering(channel: Any, queue: str, *, to: str, ttl: Mapping[str, int] | None = None) -> None:
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": to, **(ttl or {})}
    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)


def _put(channel: Any, letter: Letter, *, mandatory: bool) -> None:
    message = channel.prepare_message(
        letter.body,
        content_type="application/json",
        content_encoding="utf-8",
        headers=dict(letter.headers),
        properties={"delivery_mode": PERSISTENT, "type": letter.type, "message_id": letter.message_id},
    )
    channel.basic_publish(message, letter.exchange, letter.routing_key, mandatory=mandatory, timeout=CONFIRM_SECONDS)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


@contextmanager
def _named_outage(close: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except (OSError, amqp.AMQPError, KombuError) as problem:
        close()
        raise Unavailable("BUS_UNAVAILABLE", why=f"{type(problem).__name__}: {problem}"[:200]) from problem
