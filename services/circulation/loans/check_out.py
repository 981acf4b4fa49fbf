"""Check-out: an item is lent to a member, or every refusal is raised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select

from chassis.errors import NotFound, Refusal
from chassis.ids import new_id
from chassis.prepared import AnySession, Prepared
from rangkiang.circulation.v1.events_pb2 import LoanOpened
from services.circulation import counts, rules
from services.circulation.calendars import Calendar, CalendarDay, Due, due
from services.circulation.copies import ON_LOAN
from services.circulation.institutions import Branches, BranchFacts
from services.circulation.loans.acts import Act, Fact, Trace, change_borrower, loan_fact, move_copy
from services.circulation.loans.facts import check_out_facts
from services.circulation.loans.views import LoanView, view_of
from services.circulation.policies import PolicyRow, row_for, write_rows
from services.circulation.rows import AnyBorrower, AnyCopy, AnyLoan
from services.circulation.tables import Copy, Loan

CHECK_OUT = "check_out"

_loans: Any = Loan.__table__
_copies: Any = Copy.__table__
_LOANS_OF_BORROWER = Prepared(
    select(_loans.c.due_at, _copies.c.collection)
    .join(_copies, _copies.c.id == _loans.c.copy_id)
    .where(_loans.c.borrower_id == bindparam("borrower"), _loans.c.returned_at.is_(None))
)
_LAST_RETURN = Prepared(
    select(_loans.c.returned_at)
    .where(_loans.c.copy_id == bindparam("copy"), _loans.c.returned_at.is_not(None))
    .order_by(_loans.c.returned_at.desc())
    .limit(1)
)
_INSERT_LOAN = Prepared(insert(_loans).inline())


@dataclass(frozen=True, slots=True)
class CheckOut:
    """A check-out that the rules allow, before its write turn.

    loan        the row of the loan; empty for a repeated scan
    daily_fact  empty for an imported loan, which is not counted
    """

    view: LoanView
    loan: dict[str, Any]
    trace: Trace
    daily_fact: dict[str, Any]
    is_repeated: bool = False


def plan_check_out(
    session: AnySession, act: Act, *, item: str, member: str, branch: str, lock: bool = False
) -> CheckOut:
    """Judge a check-out; write nothing.

    item, member  ids, or numbers as scanned
    branch        code of the desk's branch
    lock          on PostgreSQL, lock copy and borrower until the end of the transaction
    raises        NotFound  COPY_UNKNOWN, BORROWER_UNKNOWN (together), BRANCH_UNKNOWN
                  Refused   with the refusals of all rules
    """
    read = check_out_facts(session, act.institution_id, item=item, member=member, branch=branch, lock=lock)
    copy, borrower, open_loan, desk = read.copy, read.borrower, read.loan, read.branch
    assert desk is not None
    if copy is None or borrower is None:
        raise NotFound(refusals=unknown(item if copy is None else "", member if borrower is None else ""))
    if open_loan is not None and _is_repeated(act, copy, borrower, open_loan, desk):
        view = view_of(session, open_loan, copy, borrower, now=act.now, branches=read.branches)
        return CheckOut(view, {}, Trace(), {}, is_repeated=True)
    calendar, policies = read.calendar(session), read.policies
    row = row_for(policies.rows, category=borrower.category, collection=copy.collection, branch=desk.code)
    today = act.today(calendar)
    facts = rules.Facts(
        now=act.now,
        at=act.at,
        today=today,
        newest_act=read.newest_act,
        borrower=borrower_facts(
            borrower, today=today, suspended_until=read.suspended_until, loans=loans_of_borrower(session, borrower.id)
        ),
        item=_item_facts(copy, open_loan, read.branches),
        row=row,
        returned_at=_last_return(session, copy) if act.channel == counts.PAPER else None,
    )
    waived = act.judge(rules.refusals_of_loan(facts))
    # When the policy's refusal is waived, the loan follows the row that refuses, or the defaults if no row matches.
    row = row or PolicyRow()
    return _check_out(act, copy, borrower, desk, read.branches, calendar, row, policies.version, waived)


def _last_return(session: AnySession, copy: AnyCopy) -> datetime | None:
    row = _LAST_RETURN.first(session, {"copy": copy.id})
    return row.returned_at if row is not None else None


def write_check_out(session: AnySession, act: Act, plan: CheckOut) -> None:
    """Write a check-out that was judged, in the transaction of `session`.

    raises  StaleFacts  copy or borrower have changed since they were read
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
    """Return the refusals of an unknown item and an unknown member; "" means known."""
    refusals = [Refusal("COPY_UNKNOWN", given=item[:64])] if item else []
    return [*refusals, Refusal("BORROWER_UNKNOWN", given=member[:64])] if member else refusals


def loans_of_borrower(session: AnySession, borrower_id: UUID) -> tuple[rules.OpenLoan, ...]:
    """Return the open loans of a borrower."""
    rows = _LOANS_OF_BORROWER.rows(session, {"borrower": borrower_id})
    return tuple(rules.OpenLoan(row.due_at, row.collection) for row in rows)


def borrower_facts(
    borrower: AnyBorrower, *, today: date, suspended_until: date | None, loans: tuple[rules.OpenLoan, ...] = ()
) -> rules.BorrowerFacts:
    """Return the facts about a borrower that the rules need.

    suspended_until  the last day of the suspensions, also when it has passed
    """
    return rules.BorrowerFacts(
        expires_on=borrower.expires_on,
        blocks=tuple((block["reason"], _day(block["ends_on"])) for block in borrower.blocks),
        suspended_until=suspended_until if suspended_until is not None and suspended_until >= today else None,
        loans=loans,
    )


def due_of(
    row: PolicyRow,
    calendar: Calendar,
    borrower: AnyBorrower | None,
    *,
    at: datetime,
    counts_from: datetime | None = None,
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


def loan_row(
    *, loan_id: UUID, copy: AnyCopy, borrower: AnyBorrower, branch_id: UUID, lent_at: datetime, due_moment: Due,
    row: PolicyRow, policy_version: int,
) -> dict[str, Any]:  # fmt: skip
    """Return the row of a new loan."""
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
        "policy_row": policy_json(row),
        "days": days_json(due_moment.days),
        "returned_at": None,
        "returned_branch_id": None,
    }


def opened(loan: dict[str, Any], copy: AnyCopy, *, imported: bool = False) -> Fact:
    """Return the fact of a new loan. imported: an earlier system lent the item."""
    return loan_fact(
        LoanOpened,
        copy=copy,
        more={"imported": True} if imported else None,
        state=ON_LOAN,
        branch_id=loan["branch_id"],
        loan_id=loan["id"],
        borrower_id=loan["borrower_id"],
        due_at=loan["due_at"],
        due_on=loan["due_on"],
    )


def _check_out(
    act: Act,
    copy: AnyCopy,
    borrower: AnyBorrower,
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


def _is_repeated(act: Act, copy: AnyCopy, borrower: AnyBorrower, loan: AnyLoan, desk: BranchFacts) -> bool:
    return (
        copy.act == CHECK_OUT
        and copy.act_loan_id == loan.id
        and copy.act_branch_id == desk.id
        and loan.borrower_id == borrower.id
        and rules.is_repetition(act_at=copy.act_at, now=act.now)
    )


def _item_facts(copy: AnyCopy, open_loan: AnyLoan | None, branches: Branches) -> rules.ItemFacts:
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
