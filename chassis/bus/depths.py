"""Counts the waiting and the dead events of a service's handlers, and does not change any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import case, func, select

from chassis import clock
from chassis.bus.local import LOCAL, deliveries
from chassis.service import Resources
from chassis.urls import open_url

LATE_SECONDS = 60
ADAPTERS = {
    "local": "chassis.bus.depths:LocalDepths",
    "amqp": "chassis.bus.amqp_depths:AmqpDepths",
    "amqps": "chassis.bus.amqp_depths:AmqpDepths",
}


@dataclass(frozen=True, slots=True)
class Depth:
    """Counts for one handler.

    waiting    number of events that are not yet handled; on a broker without those that wait for another attempt
    late       events wait although nothing handles them: for over a minute, or without a worker
    missing    names of the handler's queues that the broker does not have; their events are not counted
    oldest     seconds for which the oldest of the waiting events has been due; on a broker at most that
    workers    workers that are connected to the queue; None without a broker
    """

    handler: str
    waiting: int
    dead: int
    late: bool = False
    missing: tuple[str, ...] = ()
    oldest: float = 0.0
    workers: int | None = None


class Depths(Protocol):
    """The interface of a counter of events."""

    def count(self) -> list[Depth]:
        """Return the depth of each handler of the service. Raises Unavailable."""
        ...

    def postponed(self, handler: str) -> int:
        """Return the number of a handler's events that wait for another attempt and are not in `count`."""
        ...

    def missing(self) -> list[str]:
        """Return the missing parts of the bus that every event needs, such as its exchange. Raises Unavailable."""
        ...

    def close(self) -> None: ...


def open_depths(resources: Resources) -> Depths:
    """Return the counter for the bus of this service. Raises Invalid URL_SCHEME_UNKNOWN, URL_SCHEME_MISSPELT."""
    depths: Depths = open_url(resources.settings.bus_url, ADAPTERS, resources=resources)
    return depths


class LocalDepths:
    """Counts rows of the service's own database."""

    def __init__(self, _url: str, *, resources: Resources) -> None:
        self._resources = resources

    def count(self) -> list[Depth]:
        now = clock.now()
        dead = func.sum(case((deliveries.c.dead, 1), else_=0))
        due_at = func.min(case((~deliveries.c.dead, deliveries.c.next_at)))
        query = select(deliveries.c.handler, func.count(), dead, due_at).group_by(deliveries.c.handler)
        depths = {consumer.name: Depth(consumer.name, 0, 0) for consumer in self._resources.service.consumers}
        with self._resources.database.reading(LOCAL) as session:
            # Events of an older release's handlers may still be here.
            for handler, total, dead_count, due in session.execute(query):
                oldest = max(0.0, (now - due).total_seconds()) if due else 0.0
                is_late = oldest > LATE_SECONDS
                depths[handler] = Depth(handler, total - int(dead_count), int(dead_count), is_late, oldest=oldest)
        return list(depths.values())

    def postponed(self, handler: str) -> int:
        return 0

    def missing(self) -> list[str]:
        with self._resources.database.reading(LOCAL) as session:
            session.execute(select(deliveries.c.event_id).limit(1))
        return []

    def close(self) -> None:
        """Do nothing: the database belongs to the caller."""
