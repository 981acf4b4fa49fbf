"""The bus between services: what travels, and what an adapter promises; nothing heavy loads here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

ADAPTERS = {
    "local": "chassis.bus.local:open_local",
    "amqp": "chassis.bus.amqp:open_amqp",
    "amqps": "chassis.bus.amqp:open_amqp",
}

# A handler that fails is tried again after each of these; after the last the event is put on the dead list.
BACKOFF_SECONDS = (1, 5, 30, 300, 1800, 7200)


@dataclass(frozen=True, slots=True)
class Event:
    """A fact on its way.

    id           UUIDv7 given by emit(); consumers remember it in their inbox
    type         full name of its protobuf message, `rangkiang.catalog.v1.RecordChanged`: the routing key
    body         that message as protobuf JSON
    version      of the aggregate, growing; later facts of one aggregate may arrive first
    traceparent  W3C trace context of the act, "" when nobody traces
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


class Bus(Protocol):
    """What each adapter promises: an event accepted by publish() reaches each of its handlers at least once."""

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        """Hand events over.

        returns  ids that are safe with the bus; the others are to be tried again
        raises   Unavailable  BUS_UNAVAILABLE; nothing is known about any of them
        """
        ...

    def check(self) -> None:
        """Be sure that it answers. Raises Unavailable BUS_UNAVAILABLE."""
        ...

    def close(self) -> None: ...
