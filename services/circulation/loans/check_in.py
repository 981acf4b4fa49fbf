"""Check-in: an item is returned at its own or another branch; and uses of items in the library."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from chassis.errors import NotFound, Refusal, Refused
from chassis.ids import new_id
from chassis.prepared import AnySession, Prepared
from rangkiang.circulation.v1.events_pb2 import CopyMoved, LoanReturned, SuspensionStarted
from services.circulation import counts, rules
from services.circulation.calendars import local_date, suspension_days
from services.circulation.calendars_store import calendar_of
from services.circulation.copies import IN, IN_SERVICE, ON_LOAN, TRANSIT
from services.circulation.institutions import Branches, BranchFacts
from services.circulation.loans.acts import (
    Act,
    Fact,
    StaleFacts,
    Trace,
    change_borrower,
    guard,
    loan_fact,
    move_copy,
)
from services.circulation.loans.check_out import unknown
from services.circulation.loans.facts import ActFacts, item_facts, renewal_facts
from services.circulation.loans.views import LoanView, overdue_days, view_of
from services.circulation.rows import AnyBorrower, AnyCopy, AnyLoan, CopyRow
from services.circulation.rules import SuspensionDays
from services.circulation.tables import Loan, Suspension

CHECK_IN, MOVE, USE = "check_in", "move", "use"
SHELVE, NOTHING = "shelve", "nothing"

_loans: Any = Loan.__table__
_suspensions: Any = Suspension.__table__
_END_LOAN = Prepared(
    update(_loans)
    .where(_loans.c.id == bindparam("loan_id"), _loans.c.version == bindparam("read_version"))
    .where(_loans.c.returned_at.is_(None))
    .values(
        version=_loans.c.version + 1,
        returned_at=bindparam("ended_at"),
        returned_branch_id=bindparam("ended_branch_id"),
    )
)
_SUSPENSIONS_SINCE = Prepared(
    select(_suspensions)
    .where(
        _suspensions.c.borrower_id == bindparam("borrower"),
        _suspensions.c.ends_on >= bindparam("day"),
        _suspensions.c.ended_at.is_(None),
    )
    .order_by(_suspensions.c.ends_on)
)
_SUSPENSION_OF_LOAN = Prepared(
    select(_suspensions).where(_suspensions.c.loan_id == bindparam("loan"), _suspensions.c.ended_at.is_(None)).limit(1)
)
_INSERT_SUSPENSION = Prepared(insert(_suspensions).inline())
_CHANGE_SUSPENSION = Prepared(
    update(_suspensions)
    .where(_suspensions.c.id == bindparam("suspension_id"))
    .values(ends_on=bindparam("last"), days=bindparam("count"), loan_id=bindparam("late_loan_id"))
)


@dataclass(slots=True)
class CheckIn:
    """A check-in that was judged, before its write turn.

    next               "shelve", "transit" to the branch `to`, or "nothing"
    state              state of the copy after the act
    loan               the loan that ends; None when the item was not on loan
    suspension         the borrower's suspension after a late return
    begins_suspension  the suspension is new, or longer than before
    trace              None when nothing changes
    """

    copy: AnyCopy
    home: str
    desk: BranchFacts
    next: str
    to: str = ""
    state: str = IN
    view: LoanView | None = None
    loan: AnyLoan | None = None
    borrower: AnyBorrower | None = None
    suspension: SuspensionDays | None = None
    suspension_row: dict[str, Any] = field(default_factory=dict)
    begins_suspension: bool = False
    notes: list[Refusal] = field(default_factory=list)
    trace: Trace | None = None
    daily_fact: dict[str, Any] | None = None
    is_repeated: bool = False


def plan_check_in(session: AnySession, act: Act, *, item: str, branch: str, lock: bool = False) -> CheckIn:
    """Judge a check-in; write nothing.

    item    id, or barcode as scanned
    branch  code of the desk's branch
    raises  NotFound  COPY_UNKNOWN, BRANCH_UNKNOWN
            Refused   CLOCK_BEHIND, AT_BEFORE_LOAN
            StaleFacts  another act came between two reads
    """
    facts, copy, desk = _facts(session, act, item, branch, lock)
    if _is_repeated(act, copy, desk):
        return _repeated(session, act, copy, desk, facts.branches)
    refuse_clock_behind(act, facts)
    plan = _plan(copy, desk, facts.branches)
    if copy.state == ON_LOAN:
        _plan_return(session, act, plan, facts)
    else:
        _plan_move(act, plan, facts.branches)
    return plan


def write_check_in(session: AnySession, act: Act, plan: CheckIn) -> None:
    """Write a check-in that was judged, in the transaction of `session`.

    raises  StaleFacts  copy, loan or borrower have changed since they were read
    emits   LoanReturned; CopyMoved when the item was not lent
    """
    assert plan.trace is not None
    loan, copy = plan.loan, plan.copy
    move_copy(
        session, copy, state=plan.state, act=act, name=CHECK_IN if loan is not None else MOVE,
        branch_id=plan.desk.id, loan_id=loan.id if loan is not None else None,
        transit_to=copy.branch_id if plan.state == TRANSIT else None,
    )  # fmt: skip
    if loan is not None:
        values = {
            "loan_id": loan.id,
            "read_version": loan.version,
            "ended_at": max(act.at, loan.lent_at),
            "ended_branch_id": plan.desk.id,
        }
        guard(session, _END_LOAN, values)
    if plan.suspension is not None and plan.borrower is not None:
        change_borrower(session, plan.borrower)
        statement = _CHANGE_SUSPENSION if "suspension_id" in plan.suspension_row else _INSERT_SUSPENSION
        statement.execute(session, plan.suspension_row)
    if plan.daily_fact is not None:
        counts.add(session, plan.daily_fact)
    plan.trace.write(session)


def _facts(session: AnySession, act: Act, item: str, branch: str, lock: bool) -> tuple[ActFacts, CopyRow, BranchFacts]:
    facts = item_facts(session, act.institution_id, item=item, branch=branch, lock=lock)
    assert facts.branch is not None
    if facts.copy is None:
        raise NotFound(refusals=unknown(item, ""))
    return facts, facts.copy, facts.branch


def refuse_clock_behind(act: Act, facts: ActFacts) -> None:
    """Refuse an act when the clock is behind the newest recorded act.

    raises  Refused  CLOCK_BEHIND
    """
    refusal = rules.clock_behind(now=act.now, newest_act=facts.newest_act)
    if refusal is not None:
        raise Refused(refusals=[refusal])


@dataclass(frozen=True, slots=True)
class UseHere:
    """A use of an item in the library that was judged, before its write turn."""

    copy: AnyCopy
    home: str
    desk: BranchFacts
    trace: Trace
    daily_fact: dict[str, Any]
    is_repeated: bool = False


def plan_use(session: AnySession, act: Act, *, item: str, branch: str, lock: bool = False) -> UseHere:
    """Judge the use of an item in the library; write nothing.

    raises  NotFound  COPY_UNKNOWN, BRANCH_UNKNOWN
            Refused   CLOCK_BEHIND; ITEM_ON_LOAN  the item must be checked in first
    """
    facts, copy, desk = _facts(session, act, item, branch, lock)
    home = facts.branches.code_of(copy.branch_id)
    if copy.act == USE and copy.act_branch_id == desk.id and rules.is_repetition(act_at=copy.act_at, now=act.now):
        return UseHere(copy, home, desk, Trace(), {}, is_repeated=True)
    refuse_clock_behind(act, facts)
    if copy.state == ON_LOAN:
        due_on = facts.loan.due_on.isoformat() if facts.loan is not None else "-"
        raise Refused(refusals=[Refusal("ITEM_ON_LOAN", due_on=due_on)])
    daily_fact = counts.daily_fact(
        counts.IN_LIBRARY_USE, on=act.today(facts.calendar(session)), branch=desk.code, copy=copy,
        borrower=None, channel=act.channel,
    )  # fmt: skip
    trace = Trace.of(act, "use_in_library", kind="copy", object_id=copy.id, copy=copy)
    return UseHere(copy, home, desk, trace, daily_fact)


def write_use(session: AnySession, act: Act, plan: UseHere) -> None:
    """Write the use of an item in the library. Raises StaleFacts."""
    copy = plan.copy
    move_copy(session, copy, state=copy.state, act=act, name=USE, branch_id=plan.desk.id, transit_to=copy.transit_to)
    counts.add(session, plan.daily_fact)
    plan.trace.write(session)


def _plan(copy: AnyCopy, desk: BranchFacts, branches: Branches) -> CheckIn:
    """Plan the destination of an item: its shelf here, or its own branch."""
    home = branches.code_of(copy.branch_id)
    if not home or copy.branch_id == desk.id:
        plan = CheckIn(copy, home, desk, SHELVE)
    else:
        plan = CheckIn(copy, home, desk, TRANSIT, to=home, state=TRANSIT)
    if copy.is_gone or copy.status != IN_SERVICE:
        plan.notes.append(Refusal("ITEM_NOT_IN_SERVICE", status="gone" if copy.is_gone else copy.status))
    return plan


def _plan_return(session: AnySession, act: Act, plan: CheckIn, facts: ActFacts) -> None:
    loan, borrower = facts.loan, facts.borrower
    if loan is None:
        raise StaleFacts  # on PostgreSQL, when another desk has just checked it in
    # The clock of another desk may be some seconds behind, so only moments on paper are compared.
    if act.at < loan.lent_at and act.channel == counts.PAPER:
        raise Refused("AT_BEFORE_LOAN", lent_at=loan.lent_at.isoformat(timespec="minutes"))
    plan.loan, plan.borrower = loan, borrower
    late = overdue_days(session, loan, until=act.at)
    if late:
        plan.notes.append(Refusal("RETURNED_LATE", days=late, due_on=loan.due_on))
        if borrower is not None:
            _plan_suspension(session, act, plan, loan, late)
    plan.view = _returned(view_of(session, loan, plan.copy, borrower, now=act.at, branches=facts.branches), act)
    returned: dict[str, Any] = {
        "copy": plan.copy,
        "state": plan.state,
        "loan_id": loan.id,
        "borrower_id": loan.borrower_id,
        "due_at": loan.due_at,
        "due_on": loan.due_on,
        "branch_id": plan.copy.branch_id if plan.state == TRANSIT else plan.desk.id,
    }
    plan.trace = Trace.of(
        act, CHECK_IN, kind="loan", object_id=loan.id, copy=plan.copy, fact=loan_fact(LoanReturned, **returned),
        second_fact=_suspension_fact(plan, returned),
    )  # fmt: skip
    plan.daily_fact = counts.daily_fact(
        counts.RETURN, on=act.today(facts.calendar(session)), branch=plan.desk.code, copy=plan.copy,
        borrower=borrower, channel=act.channel,
    )  # fmt: skip


def _suspension_fact(plan: CheckIn, returned: dict[str, Any]) -> Fact | None:
    """Make the fact of a suspension that begins or becomes longer; None when the return does not change one."""
    suspension = plan.suspension
    if suspension is None or not plan.begins_suspension:
        return None
    more = {
        "begins_on": suspension.begins_on.isoformat(),
        "ends_on": suspension.ends_on.isoformat(),
        "days": suspension.days,
    }
    return loan_fact(SuspensionStarted, **returned, more=more)


def _plan_suspension(session: AnySession, act: Act, plan: CheckIn, loan: AnyLoan, late: int) -> None:
    days = suspension_days(
        late, grace=int(loan.policy_row.get("grace_days", 0)), cap=int(loan.policy_row.get("suspension_cap", 0))
    )
    if not days:
        return
    returned_on = local_date(calendar_of(session, loan.branch_id), act.at)
    earlier = _SUSPENSIONS_SINCE.rows(session, {"borrower": loan.borrower_id, "day": returned_on})
    known = [(row.returned_on, SuspensionDays(row.begins_on, row.ends_on, row.days)) for row in earlier]
    suspension, index = rules.suspension_after(returned_on, days, known)
    plan.suspension = suspension
    plan.begins_suspension = index is None or suspension.days > earlier[index].days
    if index is None:
        plan.suspension_row = {
            "id": new_id(),
            "institution_id": loan.institution_id,
            "borrower_id": loan.borrower_id,
            "loan_id": loan.id,
            "returned_on": returned_on,
            "begins_on": suspension.begins_on,
            "ends_on": suspension.ends_on,
            "days": suspension.days,
            "ended_at": None,
        }
    else:
        plan.suspension_row = {
            "suspension_id": earlier[index].id,
            "last": suspension.ends_on,
            "count": suspension.days,
            "late_loan_id": loan.id,
        }


def _plan_move(act: Act, plan: CheckIn, branches: Branches) -> None:
    """Plan the scan of an item that is not on loan: it arrives at its branch, must go there, or is already there."""
    copy = plan.copy
    if copy.state == TRANSIT:
        plan.notes.append(Refusal("ITEM_WAS_IN_TRANSIT", to=branches.code_of(copy.transit_to)))
        if plan.state == TRANSIT and copy.transit_to == copy.branch_id:
            return  # scanned while in transit
    else:
        plan.notes.append(Refusal("ITEM_WAS_NOT_ON_LOAN"))
        if plan.state == IN:
            return
    fact = loan_fact(CopyMoved, copy=copy, state=plan.state, branch_id=copy.branch_id if plan.to else plan.desk.id)
    plan.trace = Trace.of(act, "move_copy", kind="copy", object_id=copy.id, copy=copy, fact=fact)


def _is_repeated(act: Act, copy: AnyCopy, desk: BranchFacts) -> bool:
    return (
        copy.act in (CHECK_IN, MOVE)
        and copy.act_branch_id == desk.id
        and copy.state != ON_LOAN
        and rules.is_repetition(act_at=copy.act_at, now=act.now)
    )


def _repeated(session: AnySession, act: Act, copy: AnyCopy, desk: BranchFacts, branches: Branches) -> CheckIn:
    """Return the answer of the first scan."""
    plan = _plan(copy, desk, branches)
    plan.is_repeated = True
    facts = renewal_facts(session, act.institution_id, copy.act_loan_id) if copy.act_loan_id is not None else None
    loan = facts.loan if facts is not None else None
    if facts is not None and loan is not None:
        plan.view = view_of(session, loan, copy, facts.borrower, now=act.now, branches=branches)
        if plan.view.overdue_days:
            plan.notes.append(Refusal("RETURNED_LATE", days=plan.view.overdue_days, due_on=loan.due_on))
        stored = _SUSPENSION_OF_LOAN.first(session, {"loan": loan.id})
        if stored is not None:
            plan.suspension = SuspensionDays(stored.begins_on, stored.ends_on, stored.days)
    return plan


def _returned(view: LoanView, act: Act) -> LoanView:
    return replace(view, returned_at=act.at, renewals_left=0, version=view.version + 1)
