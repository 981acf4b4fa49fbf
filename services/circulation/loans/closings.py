"""Closings: an open loan that is due on a newly closed day becomes due on the next open day."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, bindparam, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.db import Database
from chassis.prepared import Prepared
from rangkiang.circulation.v1.events_pb2 import LoanRenewed
from services.circulation.calendars import Due, due_after_closing, is_open, local_date
from services.circulation.calendars_store import calendar_of
from services.circulation.copies import ON_LOAN
from services.circulation.loans.acts import Act, StaleFacts, Trace, guard, loan_fact, touch_copy
from services.circulation.loans.check_out import days_json
from services.circulation.loans.views import LOANS
from services.circulation.tables import Borrower, Branch, Copy, Loan

# Loans of one read, and of one write turn; acts wait during a turn.
_READ, _TURN = 200, 5
# Attempts in a row in which no loan could be moved.
_MOST_FAILURES = 3

_loans: Any = Loan.__table__
_MOVE_LOAN = Prepared(
    update(_loans)
    .where(_loans.c.id == bindparam("loan_id"), _loans.c.version == bindparam("read_version"))
    .where(_loans.c.returned_at.is_(None))
    .values(
        version=_loans.c.version + 1,
        due_at=bindparam("new_due_at"),
        due_on=bindparam("new_due_on"),
        days=bindparam("new_days", type_=JSON),
    )
)


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

    A write turn has a few loans. Loans that another act changes at the same time are read again. The job moves the
    loans that still remain, also after a crash.

    emits   LoanRenewed for each, with `moved`
    """
    moved: list[MovedLoan] = []
    failures = 0
    while failures < _MOST_FAILURES:
        with database.reading(caller) as session:
            rows = _on_closed_days(session, branch_id)
        if not rows:
            break
        count = len(moved)
        for begin in range(0, len(rows), _TURN):
            with suppress(StaleFacts), database.transaction(caller) as session:
                batch = [_move(session, caller, *row) for row in rows[begin : begin + _TURN]]
                moved += batch
        failures = failures + 1 if len(moved) == count else 0
    return moved


def branches_with_loans(session: Session) -> Sequence[UUID]:
    """Return the branches that have open loans."""
    return list(session.scalars(select(Branch.id).where(Branch.id.in_(select(Loan.branch_id).where(_is_open())))))


def _on_closed_days(session: Session, branch_id: UUID) -> list[tuple[Loan, Copy, Borrower | None, Due]]:
    calendar = calendar_of(session, branch_id)
    today = local_date(calendar, clock.now())
    of_branch = (Loan.branch_id == branch_id, _is_open(), Loan.due_on >= today)
    days = session.scalars(select(Loan.due_on).where(*of_branch).distinct())
    closed = [day for day in days if not is_open(calendar, day)]
    if not closed:
        return []
    query = LOANS.where(*of_branch, Loan.due_on.in_(closed)).order_by(Loan.due_at, Loan.id).limit(_READ)
    rows: list[tuple[Loan, Copy, Borrower | None, Due]] = []
    for loan, copy, borrower in session.execute(query):
        due = due_after_closing(calendar, unit=loan.unit, due_at=loan.due_at)
        if due.on != loan.due_on:
            rows.append((loan, copy, borrower, due))
    return rows


def _move(session: Session, caller: Context, loan: Loan, copy: Copy, borrower: Borrower | None, due: Due) -> MovedLoan:
    now = clock.now()
    of_institution = replace(caller, institution=str(loan.institution_id))
    act = Act(of_institution, loan.institution_id, now, now, "desk")
    touch_copy(session, copy)
    values = {
        "loan_id": loan.id,
        "read_version": loan.version,
        "new_due_at": due.at,
        "new_due_on": due.on,
        "new_days": days_json(due.days),
    }
    guard(session, _MOVE_LOAN, values)
    fact = loan_fact(
        LoanRenewed, copy=copy, state=ON_LOAN, branch_id=loan.branch_id, loan_id=loan.id, borrower_id=loan.borrower_id,
        due_at=due.at, due_on=due.on, more={"moved": True},
    )  # fmt: skip
    facts = {"was_due_on": loan.due_on.isoformat(), "due_on": due.on.isoformat()}
    Trace.of(act, "move_due_day", kind="loan", object_id=loan.id, copy=copy, fact=fact, facts=facts).write(session)
    return MovedLoan(
        loan_id=loan.id,
        member_id=loan.borrower_id,
        card=borrower.card if borrower is not None else "",
        barcode=copy.barcode,
        title=copy.title,
        was_due_on=loan.due_on,
        due_on=due.on,
    )


def _is_open() -> Any:
    return Loan.returned_at.is_(None)
