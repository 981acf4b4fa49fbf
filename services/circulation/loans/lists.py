"""Lists of loans, and the state of an item or a borrower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session

from chassis.branches import full_code
from chassis.cursors import moment, read_cursor, write_cursor
from chassis.errors import NotFound, Refusal
from chassis.sentences import LocalText, sentence
from services.circulation import rules
from services.circulation.calendars import local_date
from services.circulation.calendars_store import calendar_of
from services.circulation.copies import find_copy
from services.circulation.institutions import branches_of
from services.circulation.loans.acts import Act
from services.circulation.loans.check_out import borrower_inputs, open_loan_of, unknown
from services.circulation.loans.desks import NEWEST_ACT
from services.circulation.loans.renewals import find_known_borrower, find_loan
from services.circulation.loans.views import LOANS, LoanView, view_of
from services.circulation.policies import row_for
from services.circulation.policies_store import current_policies
from services.circulation.rules import SuspensionDays
from services.circulation.tables import Borrower, Copy, Loan, Suspension

DEFAULT_LIMIT, HIGHEST_LIMIT = 50, 500
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class LoanFilter:
    """Conditions of a list of loans. Texts are ids, or numbers or codes (of a branch the full code); "" for any.

    updated_since  only loans changed at or after it, open and ended, in order of change
    """

    member: str = ""
    branch: str = ""
    item: str = ""
    group: str = ""
    is_overdue: bool = False
    with_returned: bool = False
    updated_since: datetime | None = None
    limit: int = 0
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class LoanPage:
    """One page of loans in order of due moment, or of change.

    total        loans on all pages, at most MOST_COUNTED
    has_more     there are more loans than `total`
    cursor       of the next page; "" on the last page
    borrower_id  of the borrower that the filter names; None without one
    """

    loans: list[LoanView]
    total: int
    has_more: bool
    cursor: str
    borrower_id: UUID | None


def list_loans(session: Session, institution_id: UUID, loan_filter: LoanFilter, *, now: datetime) -> LoanPage:
    """List loans of an institution.

    raises  NotFound  BORROWER_UNKNOWN, COPY_UNKNOWN, BRANCH_UNKNOWN
            Invalid   CURSOR_INVALID
    """
    borrower_id = None
    if loan_filter.member:
        borrower_id = find_known_borrower(session, institution_id, loan_filter.member).id
    conditions = _conditions(session, institution_id, loan_filter, borrower_id, now)
    counted: Select[Any] = select(Loan.id)
    if loan_filter.group:
        counted = counted.join(Borrower, Borrower.id == Loan.borrower_id)
    counted = counted.where(*conditions).limit(MOST_COUNTED + 1)
    total = session.execute(select(func.count()).select_from(counted.subquery())).scalar_one()
    limit = min(loan_filter.limit or DEFAULT_LIMIT, HIGHEST_LIMIT)
    is_by_change = loan_filter.updated_since is not None
    order, cursor_name = (Loan.changed_at, "changed_loans") if is_by_change else (Loan.due_at, "loans")
    query = LOANS.where(*conditions).order_by(order, Loan.id).limit(limit + 1)
    if loan_filter.cursor:
        query = query.where(tuple_(order, Loan.id) > tuple(read_cursor(loan_filter.cursor, cursor_name, moment, UUID)))
    rows = session.execute(query).all()
    branches = branches_of(session, institution_id)
    views = [view_of(session, *row, now=now, branches=branches) for row in rows[:limit]]
    return LoanPage(
        views,
        min(total, MOST_COUNTED),
        total > MOST_COUNTED,
        write_cursor(cursor_name, getattr(rows[limit - 1][0], order.key), rows[limit - 1][0].id)
        if len(rows) > limit
        else "",
        borrower_id,
    )


def loans_of(session: Session, borrower_id: UUID, institution_id: UUID, *, now: datetime) -> list[LoanView]:
    """Return the open loans of a borrower in order of due moment."""
    query = LOANS.where(Loan.borrower_id == borrower_id, Loan.returned_at.is_(None)).order_by(Loan.due_at, Loan.id)
    branches = branches_of(session, institution_id)
    return [view_of(session, *row, now=now, branches=branches) for row in session.execute(query)]


def suspension_of(session: Session, borrower_id: UUID, *, today: date) -> SuspensionDays | None:
    """Return the current and later suspensions of a borrower as one period; None without one."""
    query = select(Suspension).where(Suspension.borrower_id == borrower_id, *in_force(today))
    rows = session.scalars(query).all()
    return period(min(row.begins_on for row in rows), max(row.ends_on for row in rows)) if rows else None


def in_force(today: date) -> list[ColumnElement[bool]]:
    """Return the conditions of suspensions that are in force or follow."""
    return [Suspension.ends_on >= today, Suspension.ended_at.is_(None)]


def period(begins_on: date, ends_on: date) -> SuspensionDays:
    return SuspensionDays(begins_on, ends_on, (ends_on - begins_on).days + 1)


@dataclass(frozen=True, slots=True)
class BorrowerView:
    """The loans of a borrower, and whether the borrower may borrow more."""

    borrower: Borrower
    loans: list[LoanView]
    loan_limit: int
    suspension: SuspensionDays | None
    refusals: Sequence[Refusal]


def view_borrower(session: Session, act: Act, member: str) -> BorrowerView:
    """Return the loans of a borrower, and the refusals that apply to any item.

    member  id, or a number as scanned
    raises  NotFound  BORROWER_UNKNOWN
    """
    borrower = find_known_borrower(session, act.institution_id, member)
    policies = current_policies(session, act.institution_id)
    row = row_for(policies.rows, category=borrower.category, collection="", branch="")
    today = local_today(session, act)
    inputs = rules.LoanInputs(
        now=act.now,
        at=act.now,
        today=today,
        newest_act=session.scalar(NEWEST_ACT),
        borrower=borrower_inputs(session, borrower, today=today),
        item=rules.ItemInputs(status="", state="", is_gone=False, collection=""),
        row=row,
    )
    return BorrowerView(
        borrower=borrower,
        loans=loans_of(session, borrower.id, act.institution_id, now=act.now),
        loan_limit=row.loan_limit if row is not None else 0,
        suspension=suspension_of(session, borrower.id, today=today),
        refusals=rules.refusals_of_borrower(inputs),
    )


@dataclass(frozen=True, slots=True)
class ItemView:
    """The state of an item. to: full code of the destination of an item in transit."""

    copy: Copy
    home: str
    to: str
    loan: LoanView | None


def view_item(session: Session, act: Act, item: str) -> ItemView:
    """Return an item, its state and its open loan.

    item    id, or barcode as scanned
    raises  NotFound  COPY_UNKNOWN
    """
    copy = find_copy(session, act.institution_id, item)
    if copy is None:
        raise NotFound(refusals=unknown(item, ""))
    branches = branches_of(session, act.institution_id)
    loan = open_loan_of(session, copy)
    view = None
    if loan is not None:
        borrower = session.get(Borrower, loan.borrower_id) if loan.borrower_id is not None else None
        view = view_of(session, loan, copy, borrower, now=act.now, branches=branches)
    return ItemView(copy, branches.full_code_of(copy.branch_id), branches.full_code_of(copy.transit_to), view)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a due date, in steps for people."""

    loan: Loan
    view: LoanView
    steps: list[LocalText]


def explain_loan(session: Session, act: Act, loan_id: str) -> Explanation:
    """Explain the due date of a loan from the policy row and the days that were stored with it.

    raises  NotFound  LOAN_UNKNOWN
    """
    loan, copy, borrower = find_loan(session, act.institution_id, loan_id)
    view = view_of(session, loan, copy, borrower, now=act.now)
    row = loan.policy_row
    zone = calendar_of(session, loan.branch_id)
    branch = full_code(branches_of(session, act.institution_id).institution, row["branch"])
    place = {"category": row["category"] or "*", "collection": row["collection"] or "*", "branch": branch or "*"}
    steps = [
        sentence("LOAN_POLICY", version=loan.policy_version, **place),
        sentence(
            "LOAN_PERIOD_DAYS" if loan.unit == "day" else "LOAN_PERIOD_HOURS",
            period=row["period"], lent_on=local_date(zone, loan.lent_at),
        ),
    ]  # fmt: skip
    if loan.renewals:
        steps.append(sentence("LOAN_RENEWED", renewals=loan.renewals))
    for day in loan.days:
        if not day["is_open"]:
            day_date = date.fromisoformat(day["date"])
            # A closing has a reason, a weekday on which the branch never opens has none.
            steps.append(
                sentence("LOAN_DAY_CLOSED", date=day_date, why=day["why"])
                if day["why"]
                else sentence("LOAN_DAY_CLOSED_WEEKLY", date=day_date)
            )
    steps.append(sentence("LOAN_DUE", due_on=loan.due_on))
    return Explanation(loan, view, steps)


def _conditions(
    session: Session, institution_id: UUID, loan_filter: LoanFilter, borrower_id: UUID | None, now: datetime
) -> list[Any]:
    conditions: list[Any] = [Loan.institution_id == institution_id]
    if loan_filter.updated_since is not None:
        conditions.append(Loan.changed_at >= loan_filter.updated_since)
    elif not loan_filter.with_returned:
        conditions.append(Loan.returned_at.is_(None))
    if loan_filter.is_overdue:
        conditions += [Loan.due_at < now, Loan.returned_at.is_(None)]
    if borrower_id is not None:
        conditions.append(Loan.borrower_id == borrower_id)
    if loan_filter.branch:
        conditions.append(Loan.branch_id == branches_of(session, institution_id).by_full_code(loan_filter.branch).id)
    if loan_filter.item:
        copy = find_copy(session, institution_id, loan_filter.item)
        if copy is None:
            raise NotFound(refusals=unknown(loan_filter.item, ""))
        conditions.append(Loan.copy_id == copy.id)
    if loan_filter.group:
        conditions += [Borrower.id == Loan.borrower_id, Borrower.group == loan_filter.group]
    return conditions


def local_today(session: Session, act: Act) -> date:
    """Return the day of an act in the zone of the institution's first branch, or in UTC without a branch."""
    branches = branches_of(session, act.institution_id).all
    return local_date(calendar_of(session, branches[0].id), act.now) if branches else act.now.date()
