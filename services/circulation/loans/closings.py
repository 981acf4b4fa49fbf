"""Closings: an open loan that is due on a newly closed day becomes due on the next open day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.database.db import Database
from services.circulation.calendars import due_after_closing, is_open, local_date
from services.circulation.calendars_store import calendar_of
from services.circulation.loans.acts import Act, record_act
from services.circulation.loans.check_out import days_json
from services.circulation.loans.renewals import emit_renewal
from services.circulation.loans.views import LOANS
from services.circulation.tables import Branch, Copy, Loan

# Loans of one read, and of one transaction; acts wait for its write lock.
_READ, _TURN = 200, 5


@dataclass(frozen=True, slots=True)
class MovedLoan:
    """A loan that was moved to a later due date, with its item and borrower."""

    loan_id: UUID
    member_id: UUID | None
    card: str
    barcode: str
    title: str
    was_due_on: date
    due_on: date


def move_due_days(database: Database, branch_id: UUID, *, caller: Context) -> list[MovedLoan]:
    """Move the open loans of a branch off closed days, from today on. Returns them in order of due moment.

    A transaction has a few loans. The job moves the loans that remain, also after a crash.

    emits   LoanRenewed for each, with `moved`
    """
    moved: list[MovedLoan] = []
    while True:
        with database.reading(caller) as session:
            ids = loans_on_closed_days(session, branch_id)
        count = len(moved)
        for begin in range(0, len(ids), _TURN):
            moved += database.run(caller, partial(_move, caller=caller, loan_ids=ids[begin : begin + _TURN]))
        if len(moved) == count:
            return moved


def branches_with_loans(session: Session) -> Sequence[UUID]:
    """Return the branches that have open loans."""
    return list(session.scalars(select(Branch.id).where(Branch.id.in_(select(Loan.branch_id).where(_is_open())))))


def loans_on_closed_days(session: Session, branch_id: UUID) -> Sequence[UUID]:
    """Return the open loans of a branch that are due on a closed day, in order of due moment."""
    calendar = calendar_of(session, branch_id)
    today = local_date(calendar, clock.now())
    of_branch = (Loan.branch_id == branch_id, _is_open(), Loan.due_on >= today)
    days = session.scalars(select(Loan.due_on).where(*of_branch).distinct())
    closed = [day for day in days if not is_open(calendar, day)]
    if not closed:
        return []
    query = select(Loan.id).where(*of_branch, Loan.due_on.in_(closed)).order_by(Loan.due_at, Loan.id)
    return session.scalars(query.limit(_READ)).all()


def _move(session: Session, *, caller: Context, loan_ids: Sequence[UUID]) -> list[MovedLoan]:
    """Move loans that are still open and due on a closed day."""
    now, moved = clock.now(), []
    lock = select(Copy.id).where(Copy.id.in_(select(Loan.copy_id).where(Loan.id.in_(loan_ids)))).order_by(Copy.id)
    session.execute(lock.with_for_update()).all()
    rows = session.execute(LOANS.where(Loan.id.in_(loan_ids), _is_open()).order_by(Loan.due_at, Loan.id)).all()
    for loan, copy, borrower in rows:
        calendar, was_due_on = calendar_of(session, loan.branch_id), loan.due_on
        due = due_after_closing(calendar, unit=loan.unit, due_at=loan.due_at)
        if is_open(calendar, was_due_on) or due.on == was_due_on:
            continue
        loan.due_at, loan.due_on, loan.days, loan.version = due.at, due.on, days_json(due.days), loan.version + 1
        act = Act(replace(caller, institution=str(loan.institution_id)), loan.institution_id, now, now, "desk")
        facts = {"was_due_on": was_due_on.isoformat(), "due_on": due.on.isoformat()}
        record_act(session, act, "move_due_day", kind="loan", object_id=loan.id, copy=copy, facts=facts)
        emit_renewal(session, act, copy, loan, is_moved=True)
        moved.append(
            MovedLoan(
                loan_id=loan.id, member_id=loan.borrower_id, card=borrower.card if borrower is not None else "",
                barcode=copy.barcode, title=copy.title, was_due_on=was_due_on, due_on=due.on,
            )
        )  # fmt: skip
    return moved


def _is_open() -> Any:
    return Loan.returned_at.is_(None)
