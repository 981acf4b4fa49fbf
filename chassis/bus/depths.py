"""How many events of a service's handlers wait and how many are dead, counted without touching any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import case, func, select

from chassis.bus.local import LOCAL, deliveries
from chassis.service import Resources
from chassis.urls import open_url

ADAPTERS = {
    "local": "chassis.bus.depths:LocalDepths",
    "amqp": "chassis.bus.amqp_depths:AmqpDepths",
    "amqps": "chassis.bus.amqp_depths:AmqpDepths",
}


@dataclass(frozen=True, slots=True)
class Depth:
    """One handler's events.

    waiting    not yet handled, without those of the broker that wait for another attempt
    missing    names of the handler's queues that the broker does not have; their events are not counted
    """

    handler: str
    waiting: int
    dead: int
    missing: tuple[str, ...] = ()


class Depths(Protocol):
    def count(self) -> list[Depth]:
        """Return the depth of each handler of the service. Raises Unavailable."""
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
        dead = func.sum(case((deliveries.c.dead, 1), else_=0))
        query = select(deliveries.c.handler, func.count(), dead).group_by(deliveries.c.handler)
        with self._resources.database.reading(LOCAL) as session:
            rows = {handler: (total, int(dead)) for handler, total, dead in session.execute(query)}
        # Handlers of an older release may have left events.
        handlers = dict.fromkeys([*(consumer.name for consumer in self._resources.service.consumers), *rows])
        counts = {handler: rows.get(handler, (0, 0)) for handler in handlers}
        return [Depth(handler, total - dead, dead) for handler, (total, dead) in counts.items()]

    def close(self) -> None:
        """Do nothing: the database belongs to the caller."""
