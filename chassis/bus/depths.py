"""Counts the waiting and the dead events of a service's handlers, and does not change any of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from sqlalchemy import and_, case, func, select

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
    """

    handler: str
    waiting: int
    dead: int
    late: bool = False
    missing: tuple[str, ...] = ()


class Depths(Protocol):
    """The interface of a counter of events."""

    def count(self) -> list[Depth]:
        """Return the depth of each handler of the service. Raises Unavailable."""
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
        due_since = clock.now() - timedelta(seconds=LATE_SECONDS)
        dead = func.sum(case((deliveries.c.dead, 1), else_=0))
        late = func.sum(case((and_(~deliveries.c.dead, deliveries.c.next_at < due_since), 1), else_=0))
        query = select(deliveries.c.handler, func.count(), dead, late).group_by(deliveries.c.handler)
        with self._resources.database.reading(LOCAL) as session:
            rows = {row[0]: (row[1], int(row[2]), bool(row[3])) for row in session.execute(query)}
        # Events of an older release's handlers may still be here.
        handlers = dict.fromkeys([*(consumer.name for consumer in self._resources.service.consumers), *rows])
        counts = {handler: rows.get(handler, (0, 0, False)) for handler in handlers}
        return [Depth(handler, total - dead, dead, late) for handler, (total, dead, late) in counts.items()]

    def missing(self) -> list[str]:
        with self._resources.database.reading(LOCAL) as session:
            session.execute(select(deliveries.c.event_id).limit(1))
        return []

    def close(self) -> None:
        """Do nothing: the database belongs to the caller."""
