"""The bus of one machine: an event is a row for each handler, in the database of the handler's service."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, select

from chassis import clock
from chassis.bus import Event
from chassis.bus.event_columns import envelope_columns
from chassis.context import system
from chassis.database.column_types import Id, UtcTime
from chassis.database.db import Database, chassis_tables
from chassis.database.sql import insert_ignore
from chassis.service import Resources, discover

log = logging.getLogger(__name__)

TURN_CHARACTERS = 256 * 1024  # of bodies that one transaction adds
LOCAL = system("bus")

deliveries = Table(
    "deliveries",
    chassis_tables,
    Column("event_id", Id, primary_key=True),
    Column("handler", String(64), primary_key=True),
    *envelope_columns(),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", UtcTime, nullable=False),
    Column("dead", Boolean, nullable=False, default=False),
    Column("error", Text, nullable=False, default=""),
)
Index("deliveries_due", deliveries.c.dead, deliveries.c.next_at)


class LocalBus:
    """Publishes into the databases of the services on this machine.

    consumers      every service with handlers
    own_databases  databases that the bus has opened and must close
    """

    writes_databases = True

    def __init__(self, consumers: Sequence[Resources], *, own_databases: Sequence[Database] = ()) -> None:
        self._consumers = consumers
        self._own_databases = own_databases

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        for resources in self._consumers:
            rows = [_row(event, handler) for event in events for handler in _handlers(resources, event.type)]
            for part in _parts(rows):
                with resources.database.transaction(LOCAL) as session:
                    insert_ignore(session, deliveries, part)
        return [event.id for event in events]

    def check(self) -> None:
        for resources in self._consumers:
            with resources.database.reading(LOCAL) as session:
                session.execute(select(deliveries.c.event_id).limit(1))

    def close(self) -> None:
        for database in self._own_databases:
            database.close()


def open_local(_url: str, *, resources: Resources) -> LocalBus:
    """Open the bus of a `local:` URL, for each service with handlers and for the service of `resources`."""
    settings, own_databases, consumers = resources.settings, [], [resources]
    for service in discover():
        if service.consumers and service.name != resources.service.name:
            database = service.open_database(settings, pool_size=2)
            own_databases.append(database)
            consumers.append(Resources(settings=settings, database=database, service=service))
    return LocalBus(consumers, own_databases=own_databases)


def _handlers(resources: Resources, event_type: str) -> Iterable[str]:
    return (
        consumer.name for consumer in resources.service.consumers if consumer.event.DESCRIPTOR.full_name == event_type
    )


def _row(event: Event, handler: str) -> dict[str, Any]:
    new = {"attempts": 0, "next_at": clock.now(), "dead": False, "error": ""}
    return {"event_id": event.id, "handler": handler, **new, **event.envelope}


def _parts(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Split rows by the size of their bodies, so that each transaction is short."""
    part: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if part and size + len(row["body"]) > TURN_CHARACTERS:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row["body"])
    if part:
        yield part
