"""The outbox: stores events in the database of their act until the relay has published them on the bus.

A published event stays for three days, so that one that a broker loses can be published again (chassis.rpc.gaps). The
local bus writes into the database of the consumer, and loses none, so only the envelope stays there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import Column, Index, Table, and_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis import bus as buses
from chassis import clock
from chassis.bus import Bus, Event, inbox
from chassis.bus.event_columns import envelope_columns, event_of
from chassis.context import system
from chassis.database import idempotency
from chassis.database.column_types import Id, UtcTime
from chassis.database.db import Database, chassis_tables
from chassis.database.db_errors import is_away
from chassis.database.sql import delete_rows
from chassis.database.sqlite import empty_log
from chassis.errors import Error
from chassis.ids import earliest_id
from chassis.service import Resources
from chassis.urls import open_url

log = logging.getLogger(__name__)

BATCH = 200
# Pause after each look for events. Each commit to the database wakes the relay, and each look takes CPU time; after the
# pause there are more events to publish together. The first event after a quiet time is published at once.
GATHER_SECONDS = 0.1
LOOK_SECONDS = 0.5  # after a look that finds nothing
LONGEST_PAUSE_SECONDS = 5.0
RETENTION = timedelta(days=3)
RELAY = system("relay")
MOST_IDS = 5_000  # in one page

outbox = Table(
    "outbox",
    chassis_tables,
    Column("id", Id, primary_key=True),
    *envelope_columns(),
    Column("published_at", UtcTime, nullable=True),
)
unpublished_rows = outbox.c.published_at.is_(None)
Index("outbox_unpublished", outbox.c.id, sqlite_where=unpublished_rows, postgresql_where=unpublished_rows)


class Relay:
    """Publishes the events of one service's outbox, at least once each."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        # A bus that writes databases has its own transactions, and on SQLite it may wait for a writer that waits for
        # ours, so rows are not locked. With other buses they are, so that two relays do not publish the same events.
        self._locks_rows = not (database.is_sqlite or bus.writes_databases)

    def step(self) -> int:
        """Publish one batch, oldest first, and mark those that the bus has stored.

        returns  the number of marked events
        raises   Unavailable  BUS_UNAVAILABLE, DATABASE_UNAVAILABLE
        """
        with self._database.reading(RELAY) as session:
            events = unpublished(session, limit=1 if self._locks_rows else BATCH)
        if not events:
            return 0
        if self._locks_rows:
            with self._database.transaction(RELAY) as session:
                published = self._bus.publish(unpublished(session, limit=BATCH, lock=True))
                _mark(session, published, keeps_body=True)
        else:
            published = self._bus.publish(events)
            with self._database.transaction(RELAY) as session:
                _mark(session, published, keeps_body=not self._bus.writes_databases)
        return len(published)

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop`. While the bus or the database is unavailable, wait; log an outage of the bus once."""
        pause, is_logged = 0.0, False
        while not stop.is_set():
            try:
                published = self.step()
            except (Error, DBAPIError) as problem:
                if not (is_logged or is_away(problem)):
                    log.warning("relay_waits", extra={"database": self._database.url.database, "why": str(problem)})
                    is_logged = True
                pause = min(2 * pause or 0.1, LONGEST_PAUSE_SECONDS)
                stop.wait(pause)
                continue
            if is_logged:
                log.warning("relay_resumed", extra={"database": self._database.url.database})
            pause, is_logged = 0.0, False
            if published < BATCH:
                stop.wait(GATHER_SECONDS if published else LOOK_SECONDS)


def relay(resources: Resources, stop: threading.Event) -> None:
    """The relay job of one service: publish its events until `stop`."""
    bus = open_url(resources.settings.bus_url, buses.ADAPTERS, resources=resources)
    with closing(bus):
        Relay(resources.database, bus).run(stop)


def tidy(resources: Resources, stop: threading.Event) -> None:
    """Daily job of one service: delete published events after 3 days, inbox rows after 30, stored replies after 2.

    On SQLite it also empties the log, which has older versions of pages.
    Unpublished events stay at any age. The bus does not deliver an event that is older than the inbox's rows.
    """
    now = clock.now()
    for table, condition in (
        (outbox, and_(outbox.c.id < earliest_id(now - RETENTION), outbox.c.published_at.is_not(None))),
        (inbox.inbox, inbox.inbox.c.event_id < earliest_id(now - inbox.RETENTION)),
        (idempotency.effects, idempotency.effects.c.until <= now),
    ):
        delete_rows(resources.database, RELAY, table, condition, stop)
    if resources.database.is_sqlite:
        empty_log(Path(resources.database.url.database or ""))


def unpublished(session: Session, *, limit: int, lock: bool = False) -> list[Event]:
    """Return unpublished events, oldest first; with `lock`, lock them and skip those that another relay has locked."""
    query = select(outbox).where(unpublished_rows).order_by(outbox.c.id).limit(limit)
    if lock:
        query = query.with_for_update(skip_locked=True)
    return [event_of(row, event_id=row.id) for row in session.execute(query)]


def published_ids(session: Session, event_type: str, *, after: UUID, before: UUID) -> list[UUID]:
    """Return the ids of published events of a type between two ids, in order; at most MOST_IDS."""
    of_type = (outbox.c.type == event_type, outbox.c.published_at.is_not(None))
    query = select(outbox.c.id).where(*of_type, outbox.c.id > after, outbox.c.id < before)
    return list(session.scalars(query.order_by(outbox.c.id).limit(MOST_IDS)))


def publish_again(session: Session, ids: Sequence[UUID]) -> int:
    """Let the relay publish events again whose body is still here. Returns their number."""
    with_body = (outbox.c.id.in_(ids), outbox.c.body != "")
    statement = update(outbox).where(*with_body).values(published_at=None).returning(outbox.c.id)
    return len(session.scalars(statement).all())


def _mark(session: Session, published: Sequence[UUID], *, keeps_body: bool) -> None:
    values = {outbox.c.published_at: clock.now(), **({} if keeps_body else {outbox.c.body: ""})}
    session.execute(update(outbox).where(outbox.c.id.in_(published)).values(values))
