"""Counts of acts for ISO 2789: a row for each act, without a person; and refusals, which are stored only here."""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from dataclasses import replace
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
COUNTING = system("counts")
WAIT_SECONDS = 1.0

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


def count_refusals(
    database: Database, refusals: Counter[tuple[UUID, date, str, str]], *, deadline: float | None
) -> None:
    """Add refused acts to the counts of their days, in a transaction of its own. An error is only logged.

    refusals  (institution, day, code of the branch, reason) -> acts
    deadline  that of the caller, who waits; another writer may hold the database, so it waits for a second at most
    """
    if not refusals:
        return
    rows = [
        {"institution_id": institution_id, "date": on, "branch": branch, "reason": reason, "count": count}
        for (institution_id, on, branch, reason), count in sorted(refusals.items())
    ]
    end = time.monotonic() + WAIT_SECONDS
    context = replace(COUNTING, deadline=end if deadline is None else min(end, deadline))
    try:
        with database.transaction(context) as session:
            statement = insert_for(session, RefusalCount)
            session.connection().execute(
                statement.on_conflict_do_update(
                    index_elements=["institution_id", "date", "branch", "reason"],
                    set_={"count": RefusalCount.count + statement.excluded.count},
                ),
                rows,
            )
    except (Error, DBAPIError) as problem:
        log.warning("refusals_not_counted", extra={"why": type(problem).__name__})
