"""Views of loans for desks and borrowers, with copy, borrower and branches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.circulation.calendars import local_date, overdue_open_days
from services.circulation.calendars_store import calendar_of
from services.circulation.institutions import Branches, BranchFacts, branches_of
from services.circulation.tables import Borrower, Copy, Loan


@dataclass(frozen=True, slots=True)
class LoanView:
    """A loan with the rows that are shown with it.

    id             None in a dry run
    borrower       None after the borrower was removed from the loan
    branch         the lending branch; None when the catalogue no longer has it
    home           full code of the branch that owns the copy
    renewals_left  renewals that the policy of the loan still allows
    overdue_days   open days from the due date until now or until the return
    """

    id: UUID | None
    copy: Copy
    borrower: Borrower | None
    branch: BranchFacts | None
    home: str
    lent_at: datetime
    due_at: datetime
    due_on: date
    unit: str
    renewals: int
    renewals_left: int
    overdue_days: int
    returned_at: datetime | None
    version: int
    changed_at: datetime | None


LOANS: Any = (
    select(Loan, Copy, Borrower)
    .join(Copy, Copy.id == Loan.copy_id)
    .outerjoin(Borrower, Borrower.id == Loan.borrower_id)
)


def view_of(
    session: Session,
    loan: Loan,
    copy: Copy,
    borrower: Borrower | None,
    *,
    now: datetime,
    branches: Branches | None = None,
) -> LoanView:
    """Return the view of a loan."""
    branches = branches or branches_of(session, loan.institution_id)
    left = int(loan.policy_row.get("renewals", 0)) - loan.renewals
    return LoanView(
        id=loan.id,
        copy=copy,
        borrower=borrower,
        branch=branches.by_id(loan.branch_id),
        home=branches.full_code_of(copy.branch_id),
        lent_at=loan.lent_at,
        due_at=loan.due_at,
        due_on=loan.due_on,
        unit=loan.unit,
        renewals=loan.renewals,
        renewals_left=max(0, left) if loan.returned_at is None else 0,
        overdue_days=overdue_days(session, loan, until=loan.returned_at or now),
        returned_at=loan.returned_at,
        version=loan.version,
        changed_at=loan.changed_at,
    )


def overdue_days(session: Session, loan: Loan, *, until: datetime) -> int:
    """Count the open days of the lending branch from the due date to a moment; 0 when the loan is not overdue."""
    if until <= loan.due_at:
        return 0
    calendar = calendar_of(session, loan.branch_id)
    return overdue_open_days(calendar, due_on=loan.due_on, until=local_date(calendar, until))
