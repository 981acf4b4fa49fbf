"""Runs the handlers of the local bus.

Up to 100 due events of a service are one transaction. When one fails, all are handled again with a savepoint for each;
then only the failed one is rolled back and tried again later. After the process has died while it handled events, the
next events are handled one by one.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus import BACKOFF_SECONDS, Event
from chassis.bus.event_columns import event_of
from chassis.bus.handling import context_of, handle, read_body
from chassis.bus.inbox import record_delivery
from chassis.bus.local import LOCAL, deliveries
from chassis.context import system
from chassis.database.column_types import UtcTime
from chassis.database.db import Database
from chassis.database.db_errors import is_away
from chassis.database.sql import count_changed
from chassis.errors import Conflict, Error, Invalid, Unavailable
from chassis.ids import parse_id
from chassis.metrics import telemetry
from chassis.service import Consumer, Resources
from chassis.urls import resolve

log = logging.getLogger(__name__)

BATCH = 200
TOGETHER = 100  # events in one transaction
TURN_SECONDS = 0.02  # after which a transaction ends, because people wait for its lock
GATHER_SECONDS = 0.025  # pause after each look for events, as that of the relay (chassis/bus/outbox.py)
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
        most, settled = 1 if self._one_by_one else TOGETHER, 0
        while settled < len(due) and not stop.is_set():
            settled += self._attempt_together(due[settled : settled + most])
        self._one_by_one = self._one_by_one and stop.is_set()
        return len(due)

    def _attempt_together(self, rows: Sequence[Any]) -> int:
        """Handle rows in one transaction, because a transaction takes as long as several handlers.

        returns  number of settled rows, from the first; not all after TURN_SECONDS
        """
        consumers = {consumer.name: consumer for consumer in self._service.consumers}
        if len(rows) == 1 or any(row.handler not in consumers for row in rows):
            for row in rows:
                self._attempt(consumers.get(row.handler), row)
            return len(rows)
        # First without savepoints, because a savepoint takes as long as a handler and failures are rare.
        for with_savepoints in (False, True):
            batch = Batch(self._database, consumers, self._crash_marker, with_savepoints=with_savepoints)
            try:
                count = batch.handle(rows)
            except Exception as problem:
                if _is_of_database(problem, has_begun=batch.has_begun):
                    raise
                reason = str(problem)[:200]
                continue
            for row, failure in batch.failures:
                self._fail(row, failure)
            return count
        # The cause may be any of the events, or the whole transaction was lost, so each event is tried alone.
        log.info("events_tried_alone", extra={"service": self._service.name, "why": reason})
        for row in rows:
            self._attempt(consumers[row.handler], row)
        return len(rows)

    def _attempt(self, consumer: Consumer | None, row: Any) -> None:
        """Handle one row in its own transaction."""
        if consumer is None:
            self._put_off(row, error=f"no handler {row.handler} in this release", dead=True)
            return
        event = event_of(row, event_id=row.event_id)
        claim = Claim(row)
        try:
            with _span(consumer, event), self._crash_marker.marking(_key(row)):
                handle(self._database, consumer, event, claim=claim)
        except Exception as problem:
            if _is_of_database(problem, has_begun=claim.has_begun):
                raise
            # After any error the row stays, and the event is tried again.
            self._fail(row, problem)

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


class Batch:
    """Several events of one service in one transaction.

    consumers        consumers by the names of their handlers
    with_savepoints  only the event that fails is rolled back; otherwise the first failure ends the transaction
    failures         rows whose effect was rolled back, with their errors
    has_begun        the transaction was opened
    """

    def __init__(
        self,
        database: Database,
        consumers: Mapping[str, Consumer],
        crash_marker: CrashMarker,
        *,
        with_savepoints: bool,
    ) -> None:
        self._database, self._consumers, self._crash_marker = database, consumers, crash_marker
        self._with_savepoints = with_savepoints
        self.failures: list[tuple[Any, Exception]] = []
        self.has_begun = False

    def handle(self, rows: Sequence[Any]) -> int:
        """Handle the rows in order and commit their effects, inbox rows and deletions together.

        returns  number of settled rows, from the first
        raises   the errors of `Database.transaction`; the error of an event that ended the transaction; without
                 savepoints the error of any event
        """
        name, count = rows[0].handler, 0
        with (
            self._crash_marker.marking(f"{name}/"),
            self._database.transaction(system(f"handler:{name}")) as session,
        ):
            self.has_begun = True
            end = time.monotonic() + TURN_SECONDS
            for row in rows:
                count += 1
                event = event_of(row, event_id=row.event_id)
                self._run(session, row, event, self._read(event, row))
                if time.monotonic() > end:
                    break
        return count

    def _read(self, event: Event, row: Any) -> Message | Invalid:
        try:
            return read_body(self._consumers[row.handler], event)
        except Invalid as problem:
            return problem

    def _run(self, session: Session, row: Any, event: Event, message: Message | Invalid) -> None:
        """Run the handler, unless another process has handled the event.

        raises  the error of the handler, if it ended the transaction with the effects of all events, or without
                savepoints
        """
        try:
            if not self._with_savepoints:
                self._call(session, row, event, message)
                session.flush()
                return
            driver_connection = session.connection().connection.dbapi_connection
            try:
                with session.begin_nested():
                    self._call(session, row, event, message)
            except Exception as problem:
                # After any error the row stays, and the event is tried again. On a full disk SQLite rolls back the
                # whole transaction.
                if not getattr(driver_connection, "in_transaction", True):
                    raise
                self.failures.append((row, problem))
        finally:
            # So that the next event reads rows from the database, not from the session of this event.
            session.expunge_all()

    def _call(self, session: Session, row: Any, event: Event, message: Message | Invalid) -> None:
        if not (delete_delivery(session, row) and record_delivery(session, row.handler, event.id)):
            return
        if isinstance(message, Invalid):
            raise message
        consumer = self._consumers[row.handler]
        with _span(consumer, event), self._crash_marker.marking(_key(row)):
            resolve(consumer.handler)(session, message, context_of(event))


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


def _span(consumer: Consumer, event: Event) -> Any:
    return telemetry.span(
        f"process {consumer.name}",
        kind="consumer",
        parent={"traceparent": event.traceparent},
        messaging_message_id=str(event.id),
    )


def _delivery_of(event_id: UUID, handler: str) -> Any:
    return and_(deliveries.c.event_id == event_id, deliveries.c.handler == handler)


def delete_delivery(session: Session, row: Any) -> bool:
    """Delete the row of a delivery. Returns False if another process has deleted it."""
    return count_changed(session, _DELETE, {"of_event": row.event_id, "of_handler": row.handler}) == 1


class Claim:
    """Deletes the row first, so that a second process does nothing; a failed handler rolls the deletion back.

    has_begun  the transaction was opened
    """

    def __init__(self, row: Any) -> None:
        self._row = row
        self.has_begun = False

    def __call__(self, session: Session) -> bool:
        self.has_begun = True
        return delete_delivery(session, self._row)


def _is_of_database(problem: Exception, *, has_begun: bool) -> bool:
    """Return whether no event is the cause of a failure: no transaction could be opened, or the lease is lost.

    A timeout inside a transaction may come from a statement of one event, so it counts as an attempt of that event.
    """
    if isinstance(problem, Conflict) and problem.reason == "LEASE_LOST":
        return True
    return isinstance(problem, Unavailable) and not has_begun


def _key(row: Any) -> str:
    return f"{row.handler}/{row.event_id}"
