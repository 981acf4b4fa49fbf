"""The bus of one house: an event is a row in the consumer's own database, one for each of its handlers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis import clock, telemetry
from chassis.bus import BACKOFF_SECONDS, Event
from chassis.bus.crash_marker import CrashMarker
from chassis.bus.handling import handle
from chassis.context import system
from chassis.db import BigNumber, Database, Id, UtcTime, chassis_tables
from chassis.errors import Error, Invalid
from chassis.ids import parse_id
from chassis.service import Resources, discover
from chassis.wake import Wake, announce_commits, open_wake

log = logging.getLogger(__name__)

BATCH = 200
SWEEP_SECONDS = 1.0
LOCAL = system("bus")

deliveries = Table(
    "deliveries",
    chassis_tables,
    Column("event_id", Id, primary_key=True),
    Column("handler", String(64), primary_key=True),
    Column("type", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("aggregate_id", String(64), nullable=False),
    Column("version", BigNumber, nullable=False),
    Column("institution", String(64), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("occurred_at", UtcTime, nullable=False),
    Column("traceparent", String(64), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", UtcTime, nullable=False),
    Column("dead", Boolean, nullable=False, default=False),
    Column("error", Text, nullable=False, default=""),
)
Index("deliveries_due", deliveries.c.dead, deliveries.c.next_at)


class LocalBus:
    """Publishes into the databases of the services that live in this house.

    residents  every service whose handlers may want an event
    opened     those of their databases that are the bus' own, to be closed with it
    """

    def __init__(self, residents: Sequence[Resources], *, opened: Sequence[Database] = ()) -> None:
        self._residents = residents
        self._opened = opened

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        for resident in self._residents:
            rows = [_row(event, handler) for event in events for handler in _handlers(resident, event.type)]
            if rows:
                _add(resident.database, rows)
        return [event.id for event in events]

    def check(self) -> None:
        for resident in self._residents:
            with resident.database.reading(LOCAL) as session:
                session.execute(select(deliveries.c.event_id).limit(1))

    def close(self) -> None:
        for database in self._opened:
            database.close()


def open_local(_url: str, *, resources: Resources) -> LocalBus:
    """Adapter for `local:`; serves each service of this house that has handlers, `resources` among them."""
    settings, opened, residents = resources.settings, [], [resources]
    for service in discover():
        if service.consumers and service.name != resources.service.name:
            database = service.open_database(settings, pool_size=2)
            announce_commits(database)
            opened.append(database)
            residents.append(Resources(settings=settings, database=database, service=service))
    return LocalBus(residents, opened=opened)


def deliver(resources: Resources, stop: threading.Event) -> None:
    """The delivery job of one service: run its handlers until `stop`; on another bus its workers do that."""
    if not resources.service.consumers or urlsplit(resources.settings.bus_url).scheme != "local":
        stop.wait()
        return
    with closing(open_wake(resources.database)) as wake, closing(Deliveries(resources)) as deliveries_due:
        deliveries_due.run(stop, wake)


class Deliveries:
    """The events that wait for one service's handlers.

    backoff  seconds before each further attempt
    """

    def __init__(self, resources: Resources, *, backoff: Sequence[float] = BACKOFF_SECONDS) -> None:
        self._database = resources.database
        self._service = resources.service
        self._backoff = backoff
        self._crash_marker = CrashMarker(resources.database)
        self._inherited = False

    def close(self) -> None:
        self._crash_marker.close()

    def run(self, stop: threading.Event, wake: Wake) -> None:
        """Run what is due until `stop`."""
        while not stop.is_set():
            try:
                busy = self.run_due(stop)
            except (Error, DBAPIError) as problem:
                log.warning("deliveries_wait", extra={"service": self._service.name, "why": str(problem)})
                stop.wait(SWEEP_SECONDS)
                continue
            if not busy:
                wake.wait(SWEEP_SECONDS)

    def run_due(self, stop: threading.Event) -> int:
        """Run the handlers of one batch of rows that are due, oldest first. Returns how many rows it took up."""
        if not self._inherited:
            self._count_what_was_died_of()
            self._inherited = True
        with self._database.reading(LOCAL) as session:
            due = session.execute(
                select(deliveries)
                .where(~deliveries.c.dead, deliveries.c.next_at <= clock.now())
                .order_by(deliveries.c.next_at, deliveries.c.event_id)
                .limit(BATCH)
            ).all()
        for row in due:
            if stop.is_set():
                break
            self._attempt(row)
        return len(due)

    def _attempt(self, row: Any) -> None:
        consumer = next((known for known in self._service.consumers if known.name == row.handler), None)
        event = event_of(row)
        try:
            if consumer is None:
                self._put_off(row, error=f"no handler {row.handler} in this release", dead=True)
                return
            span = telemetry.span(
                f"process {consumer.name}",
                kind="consumer",
                parent={"traceparent": event.traceparent},
                messaging_message_id=str(event.id),
            )
            with span, self._crash_marker.holding(_key(row)):
                handle(self._database, consumer, event, claim=_claim(row))
        except Exception as problem:
            # Whatever it was, the event is kept and tried again: that is what the row is for.
            dead = row.attempts >= len(self._backoff) or (
                isinstance(problem, Invalid) and problem.reason == "EVENT_UNREADABLE"
            )
            log.warning(
                "handler_failed",
                extra={
                    "handler": row.handler,
                    "event_id": str(row.event_id),
                    "attempts": row.attempts + 1,
                    "dead": dead,
                },
                exc_info=problem,
            )
            self._put_off(row, error=_told(problem), dead=dead)

    def _count_what_was_died_of(self) -> None:
        """An event that ends its process would otherwise end each next one, and never be given up."""
        handler, _, event_id = self._crash_marker.left_behind().rpartition("/")
        if not handler:
            return
        with self._database.reading(LOCAL) as session:
            row = session.execute(select(deliveries).where(_is(parse_id(event_id), handler))).first()
        if row is not None and not row.dead:
            dead = row.attempts >= len(self._backoff)
            log.warning("handler_died", extra={"handler": handler, "event_id": event_id, "attempts": row.attempts + 1})
            self._put_off(row, error="its process died while handling it", dead=dead)
        self._crash_marker.put_down()

    def _put_off(self, row: Any, *, error: str, dead: bool) -> None:
        wait = timedelta(0) if dead else timedelta(seconds=self._backoff[row.attempts])
        with self._database.transaction(LOCAL) as session:
            session.execute(
                update(deliveries)
                .where(_is(row.event_id, row.handler))
                .values(attempts=row.attempts + 1, next_at=clock.now() + wait, dead=dead, error=error)
            )


def event_of(row: Any) -> Event:
    """The event that a row of `deliveries` holds."""
    return Event(
        id=row.event_id,
        type=row.type,
        body=row.body,
        aggregate_id=row.aggregate_id,
        version=row.version,
        institution=row.institution,
        actor=row.actor,
        occurred_at=row.occurred_at,
        traceparent=row.traceparent,
    )


def _handlers(resident: Resources, event_type: str) -> Iterable[str]:
    return (each.name for each in resident.service.consumers if each.event.DESCRIPTOR.full_name == event_type)


def _row(event: Event, handler: str) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "handler": handler,
        "type": event.type,
        "body": event.body,
        "aggregate_id": event.aggregate_id,
        "version": event.version,
        "institution": event.institution,
        "actor": event.actor,
        "occurred_at": event.occurred_at,
        "traceparent": event.traceparent,
        "next_at": clock.now(),
    }


def _add(database: Database, rows: list[dict[str, Any]]) -> None:
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    with database.transaction(LOCAL) as session:
        session.execute(insert(deliveries).on_conflict_do_nothing(), rows)


def _is(event_id: UUID, handler: str) -> Any:
    return and_(deliveries.c.event_id == event_id, deliveries.c.handler == handler)


def _claim(row: Any) -> Callable[[Session], bool]:
    """Take the row away first: whoever comes second finds nothing; a failing handler brings it back."""

    def claim(session: Session) -> bool:
        gone = session.execute(delete(deliveries).where(_is(row.event_id, row.handler)))
        return bool(gone.rowcount == 1)  # type: ignore[attr-defined]

    return claim


def _key(row: Any) -> str:
    return f"{row.handler}/{row.event_id}"


def _told(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"[:2000]
