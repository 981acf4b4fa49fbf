"""The job that seals audit rows: one digest over each batch and the digest before, within a second of the commit.

On PostgreSQL a row may be committed after a row with a larger number. So a number is assigned after the transaction
has its transaction id (the function `audit_number`), and rows up to a number are sealed only when every transaction
has ended that had an id when the row with that number was seen. A long transaction of the same server, also in another
database, delays sealing. On SQLite one transaction writes at a time, so numbers are in the order of commits.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import Any

from sqlalchemy import func, insert, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis import clock
from chassis.audit import acts, digest_of, seals
from chassis.context import system
from chassis.db import Database
from chassis.db_errors import is_outage
from chassis.errors import Error
from chassis.service import Resources
from chassis.wake import open_wake

log = logging.getLogger(__name__)

BATCH = 1_000
SWEEP_SECONDS = 0.5
PAUSE_SECONDS = 0.1  # between two batches, and between two looks while other transactions run
RETRY_SECONDS = 1.0
SEALER = system("audit")

# The first transaction id that is not assigned yet, and the first that has not ended.
_NEXT_TRANSACTION = text("pg_snapshot_xmax(pg_current_snapshot())::text::numeric")
_OLDEST_RUNNING = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::numeric")


class Sealer:
    """Seals the audit rows of one database. The process holds the lease of the job."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # PostgreSQL: a number, and the transaction id below which all transactions must have ended.
        self._mark: tuple[int, int] | None = None

    def step(self) -> int:
        """Seal one batch, oldest first.

        returns  the number of sealed rows
        raises   Unavailable  DATABASE_UNAVAILABLE
                 Conflict     LEASE_LOST
        """
        with self._database.reading(SEALER) as session:
            last = session.scalar(select(func.max(seals.c.last))) or 0
            if self._mark is None or self._mark[0] <= last:
                self._mark = self._see(session, last)
        if self._mark is None:
            return 0
        with self._database.reading(SEALER) as session:
            if not self._is_settled(session):
                return 0
            # Read and digested before the transaction, which is short.
            values = next_seal(session, upto=self._mark[0])
        if values is None:
            return 0
        with self._database.transaction(SEALER) as session:
            session.execute(insert(seals).values(**values))
        return int(values["count"])

    @property
    def waits(self) -> bool:
        """Whether rows wait for other transactions, or for the next batch."""
        return self._mark is not None

    def _see(self, session: Session, last: int) -> tuple[int, int] | None:
        """Return the largest number, and the next transaction id of the same snapshot; None when nothing is new."""
        next_transaction = literal(0) if self._database.is_sqlite else _NEXT_TRANSACTION
        number, transaction = session.execute(select(func.max(acts.c.number), next_transaction)).one()
        return (number, int(transaction)) if number is not None and number > last else None

    def _is_settled(self, session: Session) -> bool:
        if self._database.is_sqlite or self._mark is None:
            return True
        return int(session.execute(_OLDEST_RUNNING).scalar_one()) >= self._mark[1]

    def run(self, stop: threading.Event) -> None:
        """Seal until `stop`; while the database does not answer, wait."""
        is_logged = False
        with closing(open_wake(self._database)) as wake:
            while not stop.is_set():
                try:
                    self.step()
                except (Error, DBAPIError) as problem:
                    if not (is_logged or is_outage(problem)):
                        log.warning("sealing_waits", extra={"why": str(problem)})
                        is_logged = True
                    stop.wait(RETRY_SECONDS)
                    continue
                is_logged = False
                # At most ten steps a second, however often transactions wake this thread.
                stop.wait(PAUSE_SECONDS)
                if not self.waits:
                    wake.wait(SWEEP_SECONDS)


def next_seal(session: Session, *, upto: int) -> dict[str, Any] | None:
    """Return the next seal, of at most 1,000 rows up to this number; None without any. Its key refuses another one."""
    previous = session.execute(select(seals).order_by(seals.c.number.desc()).limit(1)).first()
    number, last, digest = (previous.number, previous.last, previous.digest) if previous else (0, None, b"")
    query = select(acts).where(acts.c.number <= upto).order_by(acts.c.number).limit(BATCH)
    rows = session.execute(query if last is None else query.where(acts.c.number > last)).all()
    if not rows:
        return None
    values = {
        "number": number + 1,
        "first": rows[0].number,
        "last": rows[-1].number,
        "count": len(rows),
        "at": clock.now(),
    }
    return {**values, "digest": digest_of(digest, **values, rows=rows)}


def run(resources: Resources, stop: threading.Event) -> None:
    """The sealing job of one service, until `stop`."""
    Sealer(resources.database).run(stop)
