"""Jobs of circulation: remove borrowers from returned loans, move loans off closed days, store open hours, remind."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_ignore
from chassis.service import Resources
from services.circulation.calendars_store import days_to_keep
from services.circulation.loans import clock_jumps, reminders
from services.circulation.loans.closings import branches_with_loans, move_due_days
from services.circulation.settings import CirculationSettings
from services.circulation.tables import Borrower, Branch, BranchDay, Loan, Suspension

KEPT = timedelta(days=14)
BATCH = 200
PAUSE_SECONDS = 0.005
FORGETTING, CLOSINGS = system("forgetting"), system("closings")


def forget_borrowers(resources: Resources, stop: threading.Event) -> None:
    """Remove each borrower from the loans that were returned 14 days ago, unless the borrower keeps a history."""
    forget_since(resources.database, clock.now() - KEPT, stop)


def move_off_closed_days(resources: Resources, stop: threading.Event) -> None:
    """Move loans off closed days that the change of a calendar has not moved, because of a crash or another act."""
    with resources.database.reading(CLOSINGS) as session:
        branches = branches_with_loans(session)
    for branch_id in branches:
        if stop.is_set():
            break
        move_due_days(resources.database, branch_id, caller=CLOSINGS)


def keep_open_days(resources: Resources, stop: threading.Event) -> None:
    """Store the open minutes of each branch on each past day, before a change of its calendar can change them."""
    with resources.database.reading(CLOSINGS) as session:
        rows = [row for branch in session.scalars(select(Branch)).all() for row in days_to_keep(session, branch)]
    for begin in range(0, len(rows), BATCH):
        if stop.is_set():
            break
        with resources.database.transaction(CLOSINGS) as session:
            insert_ignore(session, BranchDay, rows[begin : begin + BATCH])


def remind(resources: Resources, stop: threading.Event) -> None:
    """Emit the events of loans that are due soon or overdue, once a night in each zone.

    After a jump of the clock they wait until its time is confirmed.
    """
    if clock_jumps.is_confirmed(resources.database):
        reminders.remind(resources.database, resources.settings.of(CirculationSettings).steps, stop)


def forget_since(database: Database, until: datetime, stop: threading.Event) -> int:
    """Remove borrowers from loans that were returned before a moment, in batches. Returns the number of loans."""
    count = 0
    while not stop.is_set():
        # Read outside the write lock, because the query reads all loans.
        with database.reading(FORGETTING) as session:
            ids = _returned_loans(session, until)
        if not ids:
            break
        with database.transaction(FORGETTING) as session:
            session.execute(update(Loan).where(Loan.id.in_(ids)).values(borrower_id=None))
            # A suspension can last longer, so it must not name the loan any more.
            session.execute(update(Suspension).where(Suspension.loan_id.in_(ids)).values(loan_id=None))
        count += len(ids)
        stop.wait(PAUSE_SECONDS)
    with database.transaction(FORGETTING) as session:
        session.execute(delete(Suspension).where(Suspension.ends_on < until.date()))
    return count


def _returned_loans(session: Session, until: datetime) -> list[object]:
    query = (
        select(Loan.id)
        .outerjoin(Borrower, Borrower.id == Loan.borrower_id)
        .where(Loan.borrower_id.is_not(None), Loan.returned_at <= until)
        .where(or_(Borrower.id.is_(None), ~Borrower.keeps_history))
        .limit(BATCH)
    )
    return list(session.scalars(query))
