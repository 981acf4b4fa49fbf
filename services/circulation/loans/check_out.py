"""Check-out: an item is lent to a member, or every refusal is raised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.orm import Session

from chassis.errors import NotFound, Refusal
from chassis.ids import new_id
from rangkiang.circulation.v1.events_pb2 import LoanOpened
from services.circulation import counts, rules
from services.circulation.borrowers import find_borrower
from services.circulation.calendars import Calendar, CalendarDay, Due, due
from services.circulation.copies import ON_LOAN, find_copy
from services.circulation.institutions import BranchFacts
from services.circulation.loans.acts import (
    Act,
    change_borrower,
    emit_loan_event,
    loan_copy,
    move_copy,
    record_act,
)
from services.circulation.loans.desks import read_desk
from services.circulation.loans.views import LoanView, view_of
from services.circulation.policies import PolicyRow, row_for, write_rows
from services.circulation.tables import Borrower, Copy, Loan, Suspension

CHECK_OUT = "check_out"

_loans: Any = Loan.__table__
_copies: Any = Copy.__table__
_borrowers: Any = Borrower.__table__
_suspensions: Any = Suspension.__table__
_OPEN_LOAN = insert(_loans)
_OPEN_LOAN_OF_COPY = select(_loans).where(_loans.c.copy_id == bindparam("copy_id"), _loans.c.returned_at.is_(None))
_LAST_RETURN = select(func.max(_loans.c.returned_at)).where(_loans.c.copy_id == bindparam("copy_id"))
_SUSPENDED_UNTIL = select(func.max(_suspensions.c.ends_on)).where(
    _suspensions.c.borrower_id == bindparam("borrower_id"), _suspensions.c.ended_at.is_(None)
)
# A row for each open loan; one row without a loan for a borrower who has none.
_SUSPENSION_AND_LOANS = (
    select(_SUSPENDED_UNTIL.scalar_subquery().label("suspended_until"), _loans.c.due_at, _copies.c.collection)
    .select_from(_borrowers)
    .outerjoin(_loans, (_loans.c.borrower_id == _borrowers.c.id) & _loans.c.returned_at.is_(None))
    .outerjoin(_copies, _copies.c.id == _loans.c.copy_id)
    .where(_borrowers.c.id == bindparam("borrower_id"))
)


@dataclass(frozen=True, slots=True)
class CheckOut:
    """A check-out that is done, or that a dry run allows. is_repeated: the same scan has lent the item just now."""

    view: LoanView
    is_repeated: bool = False


def check_out(session: Session, act: Act, *, item: str, member: str, branch: str, is_dry_run: bool = False) -> CheckOut:
    """Lend an item to a member.

    item, member  ids, or numbers as scanned
    branch        full code of the desk's branch
    is_dry_run    lock and write nothing
    raises        NotFound  COPY_UNKNOWN, BORROWER_UNKNOWN (together), BRANCH_UNKNOWN
                  Refused   with the refusals of all rules
    emits         LoanOpened
    """
    desk = read_desk(session, act.institution_id, branch)
    branches, calendar, policies = desk.branches, desk.calendar, desk.policies
    copy = find_copy(session, act.institution_id, item, lock=not is_dry_run)
    borrower = find_borrower(session, act.institution_id, member, lock=not is_dry_run)
    if copy is None or borrower is None:
        raise NotFound(refusals=unknown(item if copy is None else "", member if borrower is None else ""))
    open_loan = open_loan_of(session, copy)
    if open_loan is not None and _is_repeated(act, copy, borrower, open_loan, desk.branch):
        return CheckOut(view_of(session, open_loan, copy, borrower, now=act.now, branches=branches), is_repeated=True)

    row = row_for(policies.rows, category=borrower.category, collection=copy.collection, branch=desk.branch.code)
    today = act.today(desk.branch)
    inputs = rules.LoanInputs(
        now=act.now,
        at=act.at,
        today=today,
        newest_act=desk.newest_act,
        borrower=borrower_inputs(session, borrower, today=today),
        item=rules.ItemInputs(
            status=copy.status,
            state=copy.state,
            is_gone=copy.is_gone,
            collection=copy.collection,
            due_on=open_loan.due_on if open_loan is not None else None,
            transit_to=branches.full_code_of(copy.transit_to),
        ),
        row=row,
        returned_at=session.scalar(_LAST_RETURN, {"copy_id": copy.id}) if act.channel == counts.PAPER else None,
    )
    waived = act.judge(rules.refusals_of_loan(inputs))
    # When the policy's refusal is waived, the loan follows the row that refuses, or the defaults if no row matches.
    row = row or PolicyRow()
    due_moment = due_of(row, calendar, borrower, at=act.at)
    loan_id = None if is_dry_run else new_id()
    view = LoanView(
        id=loan_id, copy=copy, borrower=borrower, branch=desk.branch, home=branches.full_code_of(copy.branch_id),
        lent_at=act.at, due_at=due_moment.at, due_on=due_moment.on, unit=row.unit, renewals=0,
        renewals_left=row.renewals, overdue_days=0, returned_at=None, version=1,
        changed_at=None if is_dry_run else act.now,
    )  # fmt: skip
    if loan_id is None:
        return CheckOut(view)

    lend(
        session, act, copy, borrower, loan_id=loan_id, branch_id=desk.branch.id, due_moment=due_moment, row=row,
        policy_version=policies.version,
    )  # fmt: skip
    counts.add(
        session, counts.LOAN, on=today, branch=desk.branch.code, copy=copy, borrower=borrower, channel=act.channel
    )
    record_act(session, act, CHECK_OUT, kind="loan", object_id=loan_id, copy=copy, waived=waived)
    return CheckOut(view)


def open_loan_of(session: Session, copy: Copy) -> Loan | None:
    """Return the row of the open loan of a copy."""
    if copy.state != ON_LOAN:
        return None
    loans: Any = session.connection().execute(_OPEN_LOAN_OF_COPY, {"copy_id": copy.id}).all()
    return loans[0] if loans else None


def unknown(item: str, member: str) -> list[Refusal]:
    """Return the refusals of an unknown item and an unknown member; "" means known."""
    refusals = [Refusal("COPY_UNKNOWN", given=item[:64])] if item else []
    return [*refusals, Refusal("BORROWER_UNKNOWN", given=member[:64])] if member else refusals


def borrower_inputs(session: Session, borrower: Borrower, *, today: date) -> rules.BorrowerInputs:
    """Return the inputs about a borrower that the rules need."""
    rows = session.connection().execute(_SUSPENSION_AND_LOANS, {"borrower_id": borrower.id}).all()
    until = rows[0].suspended_until
    return rules.BorrowerInputs(
        expires_on=borrower.expires_on,
        blocks=tuple((block["reason"], _day(block["ends_on"])) for block in borrower.blocks),
        suspended_until=until if until is not None and until >= today else None,
        loans=tuple(rules.OpenLoan(row.due_at, row.collection) for row in rows if row.due_at is not None),
    )


def due_of(
    row: PolicyRow, calendar: Calendar, borrower: Borrower | None, *, at: datetime, counts_from: datetime | None = None
) -> Due:
    """Return when a loan or a renewal is due."""
    return due(
        calendar,
        lent_at=at,
        unit=row.unit,
        period=row.period,
        last_due_on=row.last_due_on,
        expires_on=borrower.expires_on if borrower is not None else None,
        counts_from=counts_from,
    )


def days_json(days: tuple[CalendarDay, ...]) -> list[dict[str, Any]]:
    """Return calendar days as JSON values."""
    return [{"date": day.date.isoformat(), "is_open": day.is_open, "why": day.why} for day in days]


@lru_cache(maxsize=256)
def policy_json(row: PolicyRow) -> dict[str, Any]:
    """Return a policy row as JSON values, which callers must not change."""
    (document,) = write_rows([row])
    return document


def lend(
    session: Session, act: Act, copy: Copy, borrower: Borrower, *, loan_id: UUID, branch_id: UUID, due_moment: Due,
    row: PolicyRow, policy_version: int, is_imported: bool = False,
) -> None:  # fmt: skip
    """Write the loan of a copy and a borrower that are locked.

    is_imported  an earlier system lent the item
    emits        LoanOpened
    """
    move_copy(session, copy, act, CHECK_OUT, state=ON_LOAN, branch_id=branch_id, loan_id=loan_id)
    change_borrower(session, borrower)
    loan = {
        "id": loan_id,
        "institution_id": copy.institution_id,
        "version": 1,
        "copy_id": copy.id,
        "borrower_id": borrower.id,
        "branch_id": branch_id,
        "lent_at": act.at,
        "due_at": due_moment.at,
        "due_on": due_moment.on,
        "unit": row.unit,
        "renewals": 0,
        "policy_version": policy_version,
        "policy_row": policy_json(row),
        "days": days_json(due_moment.days),
        "returned_at": None,
        "returned_branch_id": None,
        "changed_at": act.now,
    }
    session.connection().execute(_OPEN_LOAN, loan)
    message = loan_copy(
        copy, version=copy.state_version + 1, state=ON_LOAN, branch_id=branch_id, loan_id=loan_id,
        borrower_id=borrower.id, due_at=due_moment.at, due_on=due_moment.on,
    )  # fmt: skip
    emit_loan_event(session, act, LoanOpened(loan=message, imported=is_imported))


def _is_repeated(act: Act, copy: Copy, borrower: Borrower, loan: Loan, desk: BranchFacts) -> bool:
    return (
        copy.act == CHECK_OUT
        and copy.act_loan_id == loan.id
        and copy.act_branch_id == desk.id
        and loan.borrower_id == borrower.id
        and rules.is_repetition(act_at=copy.act_at, now=act.now)
    )


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
