"""The bus of a cluster: RabbitMQ, its exchanges and queues, and publishing with confirms.

    rangkiang.events (topic) ──type──▶ <service>.<handler>.v1 ──▶ worker ──fails──▶ ….wait.v2.<ms> ──TTL──▶ first queue
        └─ no queue bound: rangkiang.unrouted.v2        │            └──attempts used up──▶ ….dead
                                                        └──was in a worker that died──▶ ….suspects (poison_messages.py)

Queues are declared without a type, so the virtual host's default queue type applies. Waiting queues are quorum queues,
because only these keep a message until the first queue has stored it (RabbitMQ 3.10 or later).
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
# A queue cannot be declared again with other arguments, so change the version when you change them.
TOPOLOGY = "v1"
# Those of v1 lost the messages whose time ended while the first queue was not available.
WAIT_TOPOLOGY = "v2"
KEEPS_UNTIL_STORED = {
    "x-queue-type": "quorum", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
}  # fmt: skip
UNROUTED = "rangkiang.unrouted"
UNROUTED_QUEUE = f"{UNROUTED}.v2"
UNROUTED_TTL_MS = 7 * 24 * 3600 * 1000
UNROUTED_MOST_MESSAGES = 100_000
UNROUTED_MOST_BYTES = 64 * 1024 * 1024
BROKER_ERRORS = (OSError, amqp.AMQPError, KombuError)
CONNECT_SECONDS = 5
CONFIRM_SECONDS = 10
PERSISTENT = 2
_PROPERTIES = ("type", "body")  # fields of an event that do not become headers
_READERS: dict[str, Callable[[Any], Any]] = {"version": int, "occurred_at": datetime.fromisoformat}


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """A message of the broker.

    redelivered  an earlier receiver has got it, but has not acknowledged it
    """

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    type: str = ""
    message_id: str = ""
    redelivered: bool = False


class Publisher:
    """Publishes many messages at once, with confirms; connects when needed, and again after a failure."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: Any = None
        self._channel: Any = None
        self._sent = 0
        self._unconfirmed: set[int] = set()
        self._refused: set[int] = set()
        self._returned: set[str] = set()

    def send(self, messages: Sequence[BrokerMessage], *, mandatory: bool = False) -> list[bool]:
        """Publish messages, and wait for the broker's confirm of each.

        mandatory  a message that no queue accepts counts as refused
        returns    for each message whether the broker has stored it
        raises     Unavailable  BUS_UNAVAILABLE; the broker may have stored some of them
        """
        with self._lock, _translate_error(self.close):
            channel = self._confirming_channel()
            self._refused.clear()
            self._returned.clear()
            tags = []
            for message in messages:
                self._sent += 1
                self._unconfirmed.add(self._sent)
                tags.append(self._sent)
                _put(channel, message, mandatory=mandatory)
            while self._unconfirmed:
                self._connection.drain_events(timeout=CONFIRM_SECONDS)
            return [
                tag not in self._refused and message.message_id not in self._returned
                for tag, message in zip(tags, messages, strict=True)
            ]

    def channel(self) -> Any:
        """Return the open channel, to declare queues and fetch messages. Raises Unavailable BUS_UNAVAILABLE."""
        with self._lock, _translate_error(self.close):
            return self._confirming_channel()

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            # Closes without the broker, which may not answer.
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
            self._sent, self._unconfirmed = 0, set()
        return self._channel

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._unconfirmed -= self._tags(tag, multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        refused = self._tags(tag, multiple)
        self._refused |= refused
        self._unconfirmed -= refused

    def _on_return(self, _problem: Exception, _exchange: str, _routing_key: str, message: Any) -> None:
        self._returned.add(message.properties.get("message_id", ""))

    def _tags(self, tag: int, multiple: bool) -> set[int]:
        return {other for other in self._unconfirmed if other <= tag} if multiple else {tag}


class AmqpBus:
    """Publishes events to the exchange `rangkiang.events`, from which workers of each service get them."""

    writes_databases = False

    def __init__(self, url: str) -> None:
        self._publisher = Publisher(url)

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        if not events:
            return []
        stored = self._publisher.send([to_message(event) for event in events])
        if not all(stored):
            log.warning("events_refused", extra={"refused": stored.count(False), "of": len(stored)})
        return [event.id for event, is_stored in zip(events, stored, strict=True) if is_stored]

    def check(self) -> None:
        self._publisher.close()
        self._publisher.channel()

    def close(self) -> None:
        self._publisher.close()


def open_amqp(url: str, *, resources: Resources | None = None) -> AmqpBus:
    """Open the bus of an `amqp:` or `amqps:` URL."""
    return AmqpBus(url)


def queue_of(service: str, handler: str) -> str:
    return f"{service}.{handler}.{TOPOLOGY}"


def dead_queue(queue: str) -> str:
    return f"{queue}.dead"


def wait_queue(queue: str, seconds: float) -> str:
    return f"{queue}.wait.{WAIT_TOPOLOGY}.{_ms(seconds)}"


def poison_queue(queue: str) -> str:
    return f"{queue}.suspects"


def declare_events(channel: Any) -> None:
    """Declare the exchange of all events, and the bounded queue of events without a handler."""
    limits = {
        "x-message-ttl": UNROUTED_TTL_MS,
        "x-max-length": UNROUTED_MOST_MESSAGES,
        "x-max-length-bytes": UNROUTED_MOST_BYTES,
    }
    channel.exchange_declare(UNROUTED, "fanout", durable=True, auto_delete=False)
    channel.queue_declare(UNROUTED_QUEUE, durable=True, auto_delete=False, arguments=limits)
    channel.queue_bind(UNROUTED_QUEUE, UNROUTED)
    # The first version of the queue had no limit of bytes. Deleting a queue that does not exist causes no error.
    channel.queue_delete(UNROUTED)
    arguments = {"alternate-exchange": UNROUTED}
    channel.exchange_declare(EXCHANGE, "topic", durable=True, auto_delete=False, arguments=arguments)


def declare_handler(channel: Any, service: str, consumer: Consumer, backoff: Iterable[float]) -> None:
    """Declare a handler's queues: for new events, for each waiting time, for poison messages and for dead events."""
    queue = queue_of(service, consumer.name)
    channel.queue_declare(dead_queue(queue), durable=True, auto_delete=False)
    _declare_dead_lettering(channel, queue, to=dead_queue(queue))
    declare_poison_queue(channel, queue)
    for seconds in sorted(set(backoff)):
        arguments = {**KEEPS_UNTIL_STORED, "x-message-ttl": _ms(seconds)}
        _declare_dead_lettering(channel, wait_queue(queue, seconds), to=queue, more=arguments)
    channel.queue_bind(queue, EXCHANGE, consumer.event.DESCRIPTOR.full_name)


def declare_poison_queue(channel: Any, queue: str) -> int:
    """Declare the queue of a handler's poison_messages. Returns how many messages it has."""
    return _declare_dead_lettering(channel, poison_queue(queue), to=dead_queue(queue))


def to_message(event: Event) -> BrokerMessage:
    """Build the message of an event; all fields except body and type become headers."""
    headers = {name: value for name, value in event.envelope.items() if name not in _PROPERTIES}
    return BrokerMessage(
        exchange=EXCHANGE,
        routing_key=event.type,
        body=event.body.encode(),
        type=event.type,
        message_id=str(event.id),
        headers={**headers, "event_id": str(event.id), "occurred_at": event.occurred_at.isoformat()},
    )


def event_of(message: BrokerMessage) -> Event:
    """Read the event in a message. Raises Invalid EVENT_UNREADABLE."""
    values = {"traceparent": "", **message.headers, "type": message.type}
    try:
        values["body"] = message.body.decode()
        return Event(id=UUID(values["event_id"]), **{name: _READERS.get(name, str)(values[name]) for name in ENVELOPE})
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        raise Invalid("EVENT_UNREADABLE", why=f"{type(problem).__name__}: {problem}"[:200]) from problem


def from_received(message: Any) -> BrokerMessage:
    """Convert a received message of py-amqp or kombu, with any content."""
    body, properties, info = message.body, message.properties, message.delivery_info
    return BrokerMessage(
        exchange=str(info.get("exchange", "")),
        routing_key=str(info.get("routing_key", "")),
        body=body.encode() if isinstance(body, str) else bytes(body or b""),
        headers=dict(getattr(message, "headers", None) or properties.get("application_headers") or {}),
        type=str(properties.get("type") or ""),
        message_id=str(properties.get("message_id") or ""),
        redelivered=bool(info.get("redelivered")),
    )


def readdress(message: BrokerMessage, queue: str, **headers: Any) -> BrokerMessage:
    """Return the message for another queue, without the broker's own headers (`x-…`)."""
    own_headers = {name: value for name, value in message.headers.items() if not name.startswith("x-")}
    return replace(message, exchange="", routing_key=queue, headers={**own_headers, **headers})


def _declare_dead_lettering(channel: Any, queue: str, *, to: str, more: Mapping[str, Any] | None = None) -> int:
    """Declare a queue whose rejected messages go to another queue. Returns how many messages it has."""
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": to, **(more or {})}
    declared = channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
    return int(declared.message_count)


def _put(channel: Any, message: BrokerMessage, *, mandatory: bool) -> None:
    prepared = channel.prepare_message(
        message.body,
        content_type="application/json",
        content_encoding="utf-8",
        headers=dict(message.headers),
        properties={"delivery_mode": PERSISTENT, "type": message.type, "message_id": message.message_id},
    )
    channel.basic_publish(prepared, message.exchange, message.routing_key, mandatory=mandatory, timeout=CONFIRM_SECONDS)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


@contextmanager
def _translate_error(close: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except BROKER_ERRORS as problem:
        close()
        raise Unavailable("BUS_UNAVAILABLE", why=f"{type(problem).__name__}: {problem}"[:200]) from problem
