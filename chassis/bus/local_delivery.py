"""Runs the handlers of the local bus.

Due events of a service share a transaction. When it fails, each of its events is handled alone; one that fails alone is
tried again later. After the process has died while it handled events, the next events are handled one by one.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus import BACKOFF_SECONDS
from chassis.bus.event_columns import event_of
from chassis.bus.handling import handle
from chassis.bus.local import LOCAL, deliveries
from chassis.database.column_types import UtcTime
from chassis.database.db import Database
from chassis.database.db_errors import is_away
from chassis.errors import Conflict, Error, Invalid, Unavailable
from chassis.ids import parse_id
from chassis.service import Resources

log = logging.getLogger(__name__)

BATCH = 200
# Limits of one transaction, because people wait for its lock. An event of an import has up to 500 items.
TOGETHER = 50
TOGETHER_CHARACTERS = 64 * 1024  # of bodies
GATHER_SECONDS = 0.1  # pause after each look for events, as that of the relay (chassis/bus/outbox.py)
LOOK_SECONDS = 0.5  # after a look that finds nothing
RETRY_SECONDS = 1.0

_DUE = (
    select(deliveries)
    .where(~deliveries.c.dead, deliveries.c.next_at <= bindparam("now", type_=UtcTime))
    .order_by(deliveries.c.next_at, deliveries.c.event_id)
    .limit(BATCH)
)
_DELETE = delete(deliveries).where(
    deliveries.c.event_id == bindparam("of_event"), deliveries.c.handler == bindparam("of_handler")
)


def deliver(resources: Resources, stop: threading.Event) -> None:
    """Delivery job of a service with consumers: run its handlers until `stop`."""
    with closing(Deliveries(resources)) as pending:
        pending.run(stop)


class Deliveries:
    """Delivers waiting events to the handlers of one service.

    backoff  seconds before each further attempt
    """

    def __init__(self, resources: Resources, *, backoff: Sequence[float] = BACKOFF_SECONDS) -> None:
        self._database = resources.database
        self._service = resources.service
        self._consumers = {consumer.name: consumer for consumer in resources.service.consumers}
        self._backoff = backoff
        self._crash_marker = CrashMarker(resources.database)
        self._marker_read = False
        self._one_by_one = False  # after the previous process died while it handled events

    def close(self) -> None:
        self._crash_marker.close()

    def run(self, stop: threading.Event) -> None:
        """Run the handlers of due events until `stop`."""
        while not stop.is_set():
            try:
                count = self.run_due(stop)
            except (Error, DBAPIError) as problem:
                if not is_away(problem):
                    log.warning("deliveries_unavailable", extra={"service": self._service.name, "why": str(problem)})
                stop.wait(RETRY_SECONDS)
                continue
            if count < BATCH:
                stop.wait(GATHER_SECONDS if count else LOOK_SECONDS)

    def run_due(self, stop: threading.Event) -> int:
        """Run the handlers of one batch of due rows, oldest first. Returns the number of rows."""
        if not self._marker_read:
            self._one_by_one = self._count_crash()
            self._marker_read = True
        with self._database.reading(LOCAL) as session:
            due = session.execute(_DUE, {"now": clock.now()}).all()
        for row in due:
            if row.handler not in self._consumers:
                self._put_off(row, error=f"no handler {row.handler} in this release", dead=True)
        for rows in self._parts([row for row in due if row.handler in self._consumers]):
            if stop.is_set():
                return len(due)
            self._handle(rows)
        self._one_by_one = False
        return len(due)

    def _parts(self, due: Sequence[Any]) -> Iterator[list[Any]]:
        """Divide rows into those of one transaction. An event that was tried before is alone."""
        rows: list[Any] = []
        for row in due:
            size = sum(len(other.body) for other in rows) + len(row.body)
            is_full = len(rows) == TOGETHER or size > TOGETHER_CHARACTERS or row.attempts or self._one_by_one
            if rows and (is_full or rows[-1].attempts):
                yield rows
                rows = []
            rows.append(row)
        if rows:
            yield rows

    def _handle(self, rows: Sequence[Any]) -> None:
        """Handle rows in one transaction, or else each alone. An event that fails alone is put off."""
        has_begun = False

        def delete_rows(session: Session) -> None:
            nonlocal has_begun
            has_begun = True
            session.execute(_DELETE, [{"of_event": row.event_id, "of_handler": row.handler} for row in rows])

        events = [(self._consumers[row.handler], event_of(row, event_id=row.event_id)) for row in rows]
        marking = self._crash_marker.marking
        try:
            with marking(f"{rows[0].handler}/{'' if len(rows) > 1 else rows[0].event_id}"):
                handle(self._database, events, claim=delete_rows, marking=marking)
        except Exception as problem:
            if _is_of_database(problem, has_begun=has_begun):
                raise
            if len(rows) == 1:
                self._fail(rows[0], problem)
                return
            log.info("events_handled_alone", extra={"service": self._service.name, "why": str(problem)[:200]})
            for row in rows:
                self._handle([row])

    def _fail(self, row: Any, problem: Exception) -> None:
        dead = row.attempts >= len(self._backoff) or (
            isinstance(problem, Invalid) and problem.reason == "EVENT_UNREADABLE"
        )
        log.warning(
            "handler_failed",
            extra={"handler": row.handler, "event_id": str(row.event_id), "attempts": row.attempts + 1, "dead": dead},
            exc_info=problem,
        )
        self._put_off(row, error=f"{type(problem).__name__}: {problem}"[:2000], dead=dead)

    def _count_crash(self) -> bool:
        """Count the crash of an earlier process as an attempt, so that an event that always crashes it becomes dead.

        returns  whether the process died while it handled events
        """
        handler, _, event_id = self._crash_marker.read().rpartition("/")
        if not handler:
            return False
        if not event_id:
            self._crash_marker.clear()
            return True
        with self._database.reading(LOCAL) as session:
            row = session.execute(select(deliveries).where(_delivery_of(parse_id(event_id), handler))).first()
        if row is not None and not row.dead:
            dead = row.attempts >= len(self._backoff)
            log.warning("handler_died", extra={"handler": handler, "event_id": event_id, "attempts": row.attempts + 1})
            self._put_off(row, error="its process died while handling it", dead=dead)
        self._crash_marker.clear()
        return True

    def _put_off(self, row: Any, *, error: str, dead: bool) -> None:
        wait = timedelta(0) if dead else timedelta(seconds=self._backoff[row.attempts])
        with self._database.transaction(LOCAL) as session:
            session.execute(
                update(deliveries)
                .where(_delivery_of(row.event_id, row.handler))
                .values(attempts=row.attempts + 1, next_at=clock.now() + wait, dead=dead, error=error)
            )


class CrashMarker:
    """Stores the event that this process handles, in a file next to its SQLite database, to be read after a crash.

    The file has one key: "handler/event id", or "handler/" between the events of a batch. It is not synced to the disk,
    because a handler does not cause a power cut.
    """

    # Every write has this length, because ext4 syncs a file that is truncated and written again.
    LENGTH = 256

    def __init__(self, database: Database) -> None:
        path = f"{database.url.database}.crash-marker" if database.is_sqlite else os.devnull
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._key = ""

    def read(self) -> str:
        """Return the key of the event that an earlier process handled when it died; "" without one."""
        return os.pread(self._handle, self.LENGTH, 0).decode().strip()

    @contextmanager
    def marking(self, key: str) -> Iterator[None]:
        """Store the key in the file for the duration of the block; afterwards store the previous key again."""
        before, self._key = self._key, key
        self._write(key)
        try:
            yield
        finally:
            self._key = before
            self._write(before)

    def clear(self) -> None:
        self._write("")

    def close(self) -> None:
        os.close(self._handle)

    def _write(self, key: str) -> None:
        os.pwrite(self._handle, key.encode().ljust(self.LENGTH), 0)


def _delivery_of(event_id: UUID, handler: str) -> Any:
    return and_(deliveries.c.event_id == event_id, deliveries.c.handler == handler)


def _is_of_database(problem: Exception, *, has_begun: bool) -> bool:
    """Return whether no event is the cause of a failure: no transaction could be opened, or the lease is lost.

    A timeout inside a transaction may come from a statement of one event, so it counts as an attempt of that event.
    """
    if isinstance(problem, Conflict) and problem.reason == "LEASE_LOST":
        return True
    return isinstance(problem, Unavailable) and not has_begun
