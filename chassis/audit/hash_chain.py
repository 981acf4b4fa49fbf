"""The job that seals audit rows within a second of their commit: a seal is a digest of a batch and the previous seal.

On PostgreSQL a row may be committed after a row with a larger number. Therefore a transaction gets its id before its
row gets a number (the function `audit_number`). The sealer reads the largest number, takes a transaction id itself,
and seals the rows up to the number only when every transaction with a smaller id has ended. (The first id that a
snapshot calls unassigned is no such mark: a running transaction may have it.) A long transaction delays sealing, even
one in another database of the server. On SQLite one transaction writes at a time, so numbers follow the commits.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis import clock
from chassis.audit import acts, digest_of, seals
from chassis.context import system
from chassis.database.db import Database
from chassis.database.db_errors import is_away
from chassis.errors import Error
from chassis.service import Resources

log = logging.getLogger(__name__)

BATCH = 1_000
PAUSE_SECONDS = 0.5  # between two batches, and between two checks whether other transactions have ended
RETRY_SECONDS = 1.0
SEALER = system("audit")

# An id above those of all transactions that have one, and the first of the ids whose transactions have not ended.
_OWN_TRANSACTION = text("SELECT pg_current_xact_id()::text::numeric")
_OLDEST_RUNNING = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::numeric")


class Sealer:
    """Seals the audit rows of one database. The process holds the lease of the job."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # The largest number to seal; and on PostgreSQL the transaction id below which all transactions must have ended.
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
                self._mark = self._new_mark(session, last)
        if self._mark is None:
            return 0
        with self._database.reading(SEALER) as session:
            if not self._is_settled(session):
                return 0
            # Reads and digests rows before the transaction of the seal, so that this stays short.
            values = next_seal(session, upto=self._mark[0])
        if values is None:
            return 0
        with self._database.transaction(SEALER) as session:
            session.execute(insert(seals).values(**values))
        return int(values["count"])

    def _new_mark(self, session: Session, last: int) -> tuple[int, int] | None:
        """Return the largest number, and a transaction id assigned after it was read; None without a new number."""
        number = session.scalar(select(func.max(acts.c.number)))
        if number is None or number <= last:
            return None
        return number, 0 if self._database.is_sqlite else int(session.execute(_OWN_TRANSACTION).scalar_one())

    def _is_settled(self, session: Session) -> bool:
        if self._database.is_sqlite or self._mark is None:
            return True
        return int(session.execute(_OLDEST_RUNNING).scalar_one()) >= self._mark[1]

    def run(self, stop: threading.Event) -> None:
        """Seal until `stop`; while the database does not answer, wait."""
        is_logged = False
        while not stop.is_set():
            try:
                self.step()
            except (Error, DBAPIError) as problem:
                if not (is_logged or is_away(problem)):
                    log.warning("sealing_waits", extra={"why": str(problem)})
                    is_logged = True
                stop.wait(RETRY_SECONDS)
                continue
            is_logged = False
            stop.wait(PAUSE_SECONDS)


def next_seal(session: Session, *, upto: int) -> dict[str, Any] | None:
    """Return the row of the next seal, for at most 1,000 rows up to a number; None without rows.

    The primary key of the seals refuses a second seal of the same number.
    """
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
    """Run the sealing job of one service until `stop`."""
    Sealer(resources.database).run(stop)
