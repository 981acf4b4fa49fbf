"""The bus of one machine: an event is a row in the consumer's own database, one row per handler."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, and_, delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis import clock, telemetry
from chassis.bus import BACKOFF_SECONDS, Event
from chassis.bus.event_columns import envelope_columns, event_of
from chassis.bus.handling import handle
from chassis.context import system
from chassis.db import Database, Id, UtcTime, chassis_tables
from chassis.db_errors import is_outage
from chassis.errors import Error, Invalid
from chassis.ids import parse_id
from chassis.service import Resources, discover
from chassis.sql import insert_ignore
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
    own_databases  databases that the bus has opened and closes
    """

    writes_databases = True

    def __init__(self, consumers: Sequence[Resources], *, own_databases: Sequence[Database] = ()) -> None:
        self._consumers = consumers
        self._own_databases = own_databases

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        for resources in self._consumers:
            rows = [_row(event, handler) for event in events for handler in _handlers(resources, event.type)]
            if rows:
                _add(resources.database, rows)
        return [event.id for event in events]

    def check(self) -> None:
        for resources in self._consumers:
            with resources.database.reading(LOCAL) as session:
                session.execute(select(deliveries.c.event_id).limit(1))

    def close(self) -> None:
        for database in self._own_databases:
            database.close()


def open_local(_url: str, *, resources: Resources) -> LocalBus:
    """Adapter for `local:`; publishes to each service with handlers, and to the service of `resources`."""
    settings, own_databases, consumers = resources.settings, [], [resources]
    for service in discover():
        if service.consumers and service.name != resources.service.name:
            database = service.open_database(settings, pool_size=2)
            announce_commits(database)
            own_databases.append(database)
            consumers.append(Resources(settings=settings, database=database, service=service))
    return LocalBus(consumers, own_databases=own_databases)


def deliver(resources: Resources, stop: threading.Event) -> None:
    """Delivery job of a service with consumers: run its handlers until `stop`."""
    with closing(open_wake(resources.database)) as wake, closing(Deliveries(resources)) as pending:
        pending.run(stop, wake)


class Deliveries:
    """Waiting events of one service's handlers.

    backoff  seconds before each further attempt
    """

    def __init__(self, resources: Resources, *, backoff: Sequence[float] = BACKOFF_SECONDS) -> None:
        self._database = resources.database
        self._service = resources.service
        self._backoff = backoff
        self._crash_marker = CrashMarker(resources.database)
        self._marker_read = False

    def close(self) -> None:
        self._crash_marker.close()

    def run(self, stop: threading.Event, wake: Wake) -> None:
        """Run the handlers of due events until `stop`."""
        while not stop.is_set():
            try:
                count = self.run_due(stop)
            except (Error, DBAPIError) as problem:
                if not is_outage(problem):
                    log.warning("deliveries_unavailable", extra={"service": self._service.name, "why": str(problem)})
                stop.wait(SWEEP_SECONDS)
                continue
            if not count:
                wake.wait(SWEEP_SECONDS)

    def run_due(self, stop: threading.Event) -> int:
        """Run the handlers of one batch of due rows, oldest first. Returns the number of rows."""
        if not self._marker_read:
            self._count_crash()
            self._marker_read = True
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
        consumer = next((other for other in self._service.consumers if other.name == row.handler), None)
        event = event_of(row, event_id=row.event_id)
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
            with span, self._crash_marker.marking(_key(row)):
                handle(self._database, consumer, event, claim=_claim(row))
        except Exception as problem:
            # After any error the row stays, and the event is tried again.
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
            self._put_off(row, error=f"{type(problem).__name__}: {problem}"[:2000], dead=dead)

    def _count_crash(self) -> None:
        """Count the crash of an earlier process as an attempt, so that an event that always crashes it becomes dead."""
        handler, _, event_id = self._crash_marker.read().rpartition("/")
        if not handler:
            return
        with self._database.reading(LOCAL) as session:
            row = session.execute(select(deliveries).where(_is(parse_id(event_id), handler))).first()
        if row is not None and not row.dead:
            dead = row.attempts >= len(self._backoff)
            log.warning("handler_died", extra={"handler": handler, "event_id": event_id, "attempts": row.attempts + 1})
            self._put_off(row, error="its process died while handling it", dead=dead)
        self._crash_marker.clear()

    def _put_off(self, row: Any, *, error: str, dead: bool) -> None:
        wait = timedelta(0) if dead else timedelta(seconds=self._backoff[row.attempts])
        with self._database.transaction(LOCAL) as session:
            session.execute(
                update(deliveries)
                .where(_is(row.event_id, row.handler))
                .values(attempts=row.attempts + 1, next_at=clock.now() + wait, dead=dead, error=error)
            )


class CrashMarker:
    """The key of the current work of this process, in a file next to its SQLite database, to be read after a crash.

    One key at a time. The file is not synced to the disk: the work does not cause a power cut.
    """

    # Every write has this length: ext4 syncs a file that is truncated and written again.
    LENGTH = 256

    def __init__(self, database: Database) -> None:
        path = f"{database.url.database}.crash-marker" if database.is_sqlite else os.devnull
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self) -> str:
        """Return the key that an earlier process worked on when it died; "" without one."""
        return os.pread(self._handle, self.LENGTH, 0).decode().strip()

    @contextmanager
    def marking(self, key: str) -> Iterator[None]:
        """Store the key in the file for the duration of the block."""
        self._write(key)
        try:
            yield
        finally:
            self.clear()

    def clear(self) -> None:
        self._write("")

    def close(self) -> None:
        os.close(self._handle)

    def _write(self, key: str) -> None:
        os.pwrite(self._handle, key.encode().ljust(self.LENGTH), 0)


def _handlers(resources: Resources, event_type: str) -> Iterable[str]:
    return (
        consumer.name for consumer in resources.service.consumers if consumer.event.DESCRIPTOR.full_name == event_type
    )


def _row(event: Event, handler: str) -> dict[str, Any]:
    return {"event_id": event.id, "handler": handler, "next_at": clock.now(), **event.envelope}


def _add(database: Database, rows: list[dict[str, Any]]) -> None:
    with database.transaction(LOCAL) as session:
        insert_ignore(session, deliveries, rows)


def _is(event_id: UUID, handler: str) -> Any:
    return and_(deliveries.c.event_id == event_id, deliveries.c.handler == handler)


def _claim(row: Any) -> Callable[[Session], bool]:
    """Delete the row first: a second process then has nothing to do; a failed handler rolls the deletion back."""

    def claim(session: Session) -> bool:
        deleted = session.execute(delete(deliveries).where(_is(row.event_id, row.handler)))
        return bool(deleted.rowcount == 1)  # type: ignore[attr-defined]

    return claim


def _key(row: Any) -> str:
    return f"{row.handler}/{row.event_id}"
