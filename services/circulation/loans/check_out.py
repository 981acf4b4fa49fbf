"""Check-out: an item is lent to a member, or every reason against it is named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.orm import Session

from chassis.errors import NotFound, Refusal
from chassis.ids import new_id
from chassis.sql import Prepared
from rangkiang.circulation.v1.events_pb2 import LoanOpened
from services.circulation import counts, rules
from services.circulation.borrowers import find_borrower
from services.circulation.calendars import Calendar, CalendarDay, Due, due
from services.circulation.calendars_store import calendar_of
from services.circulation.copies import ON_LOAN, find_copy
from services.circulation.institutions import Branches, BranchFacts, branches_of
from services.circulation.loans.acts import Act, Trace, change_borrower, loan_fact, move_copy, newest_act
from services.circulation.loans.views import LoanView, view_of
from services.circulation.policies import PolicyRow, row_for, write_rows
from services.circulation.policies_store import current_policies
from services.circulation.tables import Borrower, Copy, Loan, Suspension

CHECK_OUT = "check_out"

_OPEN_LOAN = select(Loan).where(Loan.copy_id == bindparam("copy_id"), Loan.returned_at.is_(None))
_LOANS_OF_BORROWER = (
    select(Loan.due_at, Copy.collection)
    .join(Copy, Copy.id == Loan.copy_id)
    .where(Loan.borrower_id == bindparam("borrower_id"), Loan.returned_at.is_(None))
)
_SUSPENDED_UNTIL = select(func.max(Suspension.ends_on)).where(
    Suspension.borrower_id == bindparam("borrower_id"),
    Suspension.ends_on >= bindparam("today"),
    Suspension.ended_at.is_(None),
)
_loans: Any = Loan.__table__
_INSERT_LOAN = Prepared(insert(_loans).inline())


@dataclass(frozen=True, slots=True)
class CheckOut:
    """A check-out that the rules allow, before its write turn.

    loan        its row; empty for a repeated scan
    daily_fact  empty for an imported loan, which is no act of this program
    """

    view: LoanView
    loan: dict[str, Any]
    trace: Trace
    daily_fact: dict[str, Any]
    is_repeated: bool = False


def plan_check_out(session: Session, act: Act, *, item: str, member: str, branch: str, lock: bool = False) -> CheckOut:
    """Judge a check-out; write nothing.

    item, member  ids, or numbers as scanned
    branch        code of the desk's branch
    lock          on PostgreSQL copy and borrower, until the end of the transaction
    raises        NotFound  COPY_UNKNOWN, BORROWER_UNKNOWN (together), BRANCH_UNKNOWN
                  Refused   every rule that objects, together
    """
    branches = branches_of(session, act.institution_id)
    desk = branches.by_code(branch)
    copy = find_copy(session, act.institution_id, item, lock=lock)
    borrower = find_borrower(session, act.institution_id, member, lock=lock)
    if copy is None or borrower is None:
        raise NotFound(refusals=unknown(item if copy is None else "", member if borrower is None else ""))
    open_loan = open_loan_of(session, copy) if copy.state == ON_LOAN else None
    if open_loan is not None and _is_repeated(act, copy, borrower, open_loan, desk):
        view = view_of(session, open_loan, copy, borrower, now=act.now, branches=branches)
        return CheckOut(view, {}, Trace(), {}, is_repeated=True)
    calendar = calendar_of(session, desk.id)
    policies = current_policies(session, act.institution_id)
    row = row_for(policies.rows, category=borrower.category, collection=copy.collection, branch=desk.code)
    today = act.today(calendar)
    facts = rules.Facts(
        now=act.now,
        at=act.at,
        today=today,
        newest_act=newest_act(session),
        borrower=borrower_facts(session, borrower, today=today),
        item=_item_facts(copy, open_loan, branches),
        row=row,
    )
    waived = act.judge(rules.refusals_of_loan(facts))
    # A waived refusal of the policy lends by the row that refuses; without a row, by the defaults of one.
    row = row or PolicyRow()
    return _check_out(act, copy, borrower, desk, branches, calendar, row, policies.version, waived)


def write_check_out(session: Session, act: Act, plan: CheckOut) -> None:
    """Write a check-out that was judged, in its transaction.

    raises  StaleFacts  copy or borrower have changed since
    emits   LoanOpened
    """
    copy, borrower = plan.view.copy, plan.view.borrower
    assert borrower is not None
    move_copy(
        session, copy, state=ON_LOAN, act=act, name=CHECK_OUT, branch_id=plan.loan["branch_id"], loan_id=plan.loan["id"]
    )
    change_borrower(session, borrower)
    _INSERT_LOAN.execute(session, plan.loan)
    if plan.daily_fact:
        counts.add(session, plan.daily_fact)
    plan.trace.write(session)


def unknown(item: str, member: str) -> list[Refusal]:
    """Return the refusals of an item and a member that nobody knows; "" for a known one."""
    refusals = [Refusal("COPY_UNKNOWN", given=item[:64])] if item else []
    return [*refusals, Refusal("BORROWER_UNKNOWN", given=member[:64])] if member else refusals


def open_loan_of(session: Session, copy: Copy) -> Loan | None:
    """Return the open loan of a copy."""
    return session.scalars(_OPEN_LOAN, {"copy_id": copy.id}).first()


def borrower_facts(session: Session, borrower: Borrower, *, today: date) -> rules.BorrowerFacts:
    """Read what decides about a borrower."""
    loans = session.execute(_LOANS_OF_BORROWER, {"borrower_id": borrower.id})
    until = session.execute(_SUSPENDED_UNTIL, {"borrower_id": borrower.id, "today": today}).scalar()
    return rules.BorrowerFacts(
        expires_on=borrower.expires_on,
        blocks=tuple((block["reason"], _day(block["ends_on"])) for block in borrower.blocks),
        suspended_until=until,
        loans=tuple(rules.OpenLoan(row.due_at, row.collection) for row in loans),
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
    """Return calendar days as values that JSON has."""
    return [{**asdict(day), "date": day.date.isoformat()} for day in days]


def loan_row(
    *, loan_id: UUID, copy: Copy, borrower: Borrower, branch_id: UUID, lent_at: datetime, due_moment: Due,
    row: PolicyRow, policy_version: int,
) -> dict[str, Any]:  # fmt: skip
    """Return the row of a new loan."""
    (policy_row,) = write_rows([row])
    return {
        "id": loan_id,
        "institution_id": copy.institution_id,
        "version": 1,
        "copy_id": copy.id,
        "borrower_id": borrower.id,
        "branch_id": branch_id,
        "lent_at": lent_at,
        "due_at": due_moment.at,
        "due_on": due_moment.on,
        "unit": row.unit,
        "renewals": 0,
        "policy_version": policy_version,
        "policy_row": policy_row,
        "days": days_json(due_moment.days),
        "returned_at": None,
        "returned_branch_id": None,
    }


def opened(loan: dict[str, Any], copy: Copy) -> LoanOpened:
    """Return the fact of a new loan."""
    return LoanOpened(
        loan=loan_fact(
            copy=copy,
            state=ON_LOAN,
            branch_id=loan["branch_id"],
            loan_id=loan["id"],
            borrower_id=loan["borrower_id"],
            due_at=loan["due_at"],
            due_on=loan["due_on"],
        )
    )


def _check_out(
    act: Act,
    copy: Copy,
    borrower: Borrower,
    desk: BranchFacts,
    branches: Branches,
    calendar: Calendar,
    row: PolicyRow,
    policy_version: int,
    waived: list[str],
) -> CheckOut:
    due_moment = due_of(row, calendar, borrower, at=act.at)
    loan_id = new_id()
    loan = loan_row(
        loan_id=loan_id, copy=copy, borrower=borrower, branch_id=desk.id, lent_at=act.at, due_moment=due_moment,
        row=row, policy_version=policy_version,
    )  # fmt: skip
    fact = opened(loan, copy)
    view = LoanView(
        id=loan_id, copy=copy, borrower=borrower, branch=desk, home=branches.code_of(copy.branch_id), lent_at=act.at,
        due_at=due_moment.at, due_on=due_moment.on, unit=row.unit, renewals=0, renewals_left=row.renewals,
        overdue_days=0, returned_at=None, version=1,
    )  # fmt: skip
    trace = Trace.of(act, CHECK_OUT, kind="loan", object_id=loan_id, copy=copy, fact=fact, waived=waived)
    daily_fact = counts.daily_fact(
        counts.LOAN, on=act.today(calendar), branch=desk.code, copy=copy, borrower=borrower, channel=act.channel
    )
    return CheckOut(view, loan, trace, daily_fact)


def _is_repeated(act: Act, copy: Copy, borrower: Borrower, loan: Loan, desk: BranchFacts) -> bool:
    return (
        copy.act == CHECK_OUT
        and copy.act_loan_id == loan.id
        and copy.act_branch_id == desk.id
        and loan.borrower_id == borrower.id
        and rules.is_repetition(act_at=copy.act_at, now=act.now)
    )


def _item_facts(copy: Copy, open_loan: Loan | None, branches: Branches) -> rules.ItemFacts:
    return rules.ItemFacts(
        status=copy.status,
        state=copy.state,
        is_gone=copy.is_gone,
        collection=copy.collection,
        due_on=open_loan.due_on if open_loan is not None else None,
        transit_to=branches.code_of(copy.transit_to),
    )


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
