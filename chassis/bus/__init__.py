"""The bus between services: its events, and the interface of its adapters. This module imports little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

ADAPTERS = {
    "local": "chassis.bus.local:open_local",
    "amqp": "chassis.bus.amqp:open_amqp",
    "amqps": "chassis.bus.amqp:open_amqp",
}

DEAD_ADAPTERS = {
    "local": "chassis.bus.local_dead:open_dead",
    "amqp": "chassis.bus.amqp_dead:open_dead",
    "amqps": "chassis.bus.amqp_dead:open_dead",
}

# Waiting times before the further attempts of a failed handler; after the last attempt the event goes to the dead list.
BACKOFF_SECONDS = (1, 5, 30, 300, 1800, 7200)


@dataclass(frozen=True, slots=True)
class Event:
    """An event between the service that emits it and its handlers.

    id           UUIDv7 from emit(); consumers store it in their inbox
    type         full name of its protobuf message, `rangkiang.catalog.v1.RecordChanged`: the routing key
    body         the message as protobuf JSON
    version      version of the aggregate; it grows, and a later event of the aggregate may arrive first
    traceparent  W3C trace context of the act; "" without tracing
    """

    id: UUID
    type: str
    body: str
    aggregate_id: str
    version: int
    institution: str
    actor: str
    occurred_at: datetime
    traceparent: str = ""

    @property
    def envelope(self) -> dict[str, Any]:
        """Return field -> value, for all fields except the id."""
        return {name: getattr(self, name) for name in ENVELOPE}


# Fields in each table and message that stores an event, without the event's id.
ENVELOPE = tuple(field.name for field in fields(Event) if field.name != "id")


class Bus(Protocol):
    """The interface of an adapter: an event that publish() accepts reaches each of its handlers at least once.

    writes_databases  publish() has its own transactions, so it must not be called inside one
    """

    writes_databases: bool

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        """Publish events.

        returns  ids of the events that the bus has stored; the caller publishes the others again
        raises   Unavailable  BUS_UNAVAILABLE; the bus may have stored some of them
        """
        ...

    def check(self) -> None:
        """Check that the bus answers. Raises Unavailable BUS_UNAVAILABLE."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that one handler failed to process in every attempt.

    key       its key on the dead list: handler/event id
    occurred  ISO 8601; "" when the message cannot be read
    error     the error of the last attempt
    """

    key: str
    handler: str
    type: str
    body: str
    institution: str
    actor: str
    occurred: str
    attempts: int
    error: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class DeadList(Protocol):
    """The dead events of one service."""

    def find(self) -> list[DeadEvent]:
        """List the dead events by handler, oldest first. Raises Unavailable."""
        ...

    def replay(self, keys: Sequence[str]) -> int:
        """Deliver these events to their handlers again, with a new count of attempts. Returns their number."""
        ...

    def drop(self, keys: Sequence[str]) -> int:
        """Delete these events. Returns their number."""
        ...

    def close(self) -> None: ...
