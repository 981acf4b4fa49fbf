"""The bus between services: its events, and what an adapter promises. Imports of this module stay light."""

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

# A handler that fails is tried again after each of these; after the last the event is put on the dead list.
BACKOFF_SECONDS = (1, 5, 30, 300, 1800, 7200)


@dataclass(frozen=True, slots=True)
class Event:
    """A fact between its service and its handlers.

    id           UUIDv7 given by emit(); consumers remember it in their inbox
    type         full name of its protobuf message, `rangkiang.catalog.v1.RecordChanged`: the routing key
    body         that message as protobuf JSON
    version      of the aggregate, growing; later facts of one aggregate may arrive first
    traceparent  W3C trace context of the act, "" without tracing
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
        """Everything but the id, by name."""
        return {name: getattr(self, name) for name in ENVELOPE}


# What every table and message that keeps an event has, next to the event's id.
ENVELOPE = tuple(field.name for field in fields(Event) if field.name != "id")


class Bus(Protocol):
    """What each adapter promises: an event accepted by publish() reaches each of its handlers at least once.

    writes_databases  it publishes by transactions of its own, so never inside one
    """

    writes_databases: bool

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        """Publish events.

        returns  ids that are safe with the bus; the others are to be published again
        raises   Unavailable  BUS_UNAVAILABLE; nothing is known about any of them
        """
        ...

    def check(self) -> None:
        """Make sure that the bus answers. Raises Unavailable BUS_UNAVAILABLE."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that one handler could not take, after every attempt.

    key       its name on the dead list: handler/event id
    occurred  ISO 8601; "" when the message cannot be read
    error     what the last attempt raised
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
        """All of them, by handler, oldest first. Raises Unavailable."""
        ...

    def replay(self, keys: Sequence[str]) -> int:
        """Give these to their handlers again, counting attempts from zero. Returns how many there were."""
        ...

    def drop(self, keys: Sequence[str]) -> int:
        """Delete these. Returns how many there were."""
        ...

    def close(self) -> None: ...
