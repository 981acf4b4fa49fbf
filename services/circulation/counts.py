"""Counts of acts for ISO 2789: a row for each act, without a person; and refusals, which are stored only here."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_for
from chassis.errors import Error
from services.circulation.tables import Borrower, Copy, DailyCount, RefusalCount

log = logging.getLogger(__name__)

LOAN, RENEWAL, RETURN, IN_LIBRARY_USE = "loan", "renewal", "return", "in_library_use"
DESK, SELF, PAPER = "desk", "self", "paper"
FLUSH_SECONDS = 1.0
MOST_WAITING = 10_000  # distinct counts; enough for an hour of refusals while the database does not answer
COUNTING = system("counts")

_daily_counts: Any = DailyCount.__table__
_ADD = insert(_daily_counts)


def add(
    session: Session, kind: str, *, on: date, branch: str, copy: Copy, borrower: Borrower | None, channel: str
) -> None:
    """Add the daily count of an act, with the values of its day.

    Its id is random, because ids in order of time would match rows to loans.
    """
    row = {
        "id": uuid.uuid4(),
        "institution_id": copy.institution_id,
        "date": on,
        "kind": kind,
        "branch": branch,
        "collection": copy.collection,
        "ddc_class": copy.ddc_class,
        "language": copy.language,
        "audience": copy.audience,
        "category": borrower.category if borrower is not None else "",
        "age_band": borrower.age_band if borrower is not None else "",
        "sex": borrower.sex if borrower is not None else "",
        "region": borrower.region if borrower is not None else "",
        "channel": channel,
    }
    session.connection().execute(_ADD, row)


class RefusalCounter:
    """Counts refusals in memory and writes them once a second. Counts that are not written yet are lost in a crash."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counts: Counter[tuple[UUID, date, str, str]] = Counter()
        self._timer: threading.Timer | None = None
        database.before_close(self.close)

    def count(self, institution_id: UUID, on: date, branch: str, reasons: Iterable[str]) -> None:
        """Count one refused act for each of its reasons."""
        with self._lock:
            if len(self._counts) < MOST_WAITING:
                self._counts.update((institution_id, on, branch, reason) for reason in reasons)
            self._start()

    def flush(self) -> None:
        """Write the counts; after an error of the database they are written a second later."""
        with self._lock:
            counts, self._counts, self._timer = self._counts, Counter(), None
        if not counts:
            return
        try:
            with self._database.transaction(COUNTING) as session:
                _add(session, counts)
        except (Error, DBAPIError) as problem:
            log.warning("refusals_not_counted", extra={"why": type(problem).__name__})
            with self._lock:
                self._counts.update(counts)
                self._start()

    def close(self) -> None:
        """Write the remaining counts."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
        self.flush()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _start(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(FLUSH_SECONDS, self.flush)
            self._timer.daemon = True
            self._timer.start()


def _add(session: Session, counts: Counter[tuple[UUID, date, str, str]]) -> None:
    statement = insert_for(session, RefusalCount)
    rows = [
        {"institution_id": institution_id, "date": on, "branch": branch, "reason": reason, "count": count}
        for (institution_id, on, branch, reason), count in sorted(counts.items())
    ]
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=["institution_id", "date", "branch", "reason"],
            set_={"count": RefusalCount.count + statement.excluded.count},
        ),
        rows,
    )
