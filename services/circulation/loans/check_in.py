"""Check-in: an item is returned at its own or another branch; and uses of items in the library."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.errors import NotFound, Refusal, Refused
from chassis.ids import new_id
from rangkiang.circulation.v1.events_pb2 import CopyMoved, LoanReturned, SuspensionStarted
from services.circulation import counts, rules
from services.circulation.borrowers import find_borrower
from services.circulation.calendars import local_date, suspension_days
from services.circulation.calendars_store import calendar_of
from services.circulation.copies import IN, IN_SERVICE, ON_LOAN, TRANSIT, find_copy
from services.circulation.loans.acts import (
    Act,
    change_borrower,
    emit_loan_event,
    loan_copy,
    move_copy,
    record_act,
)
from services.circulation.loans.check_out import open_loan_of, unknown
from services.circulation.loans.desks import Desk, read_desk
from services.circulation.loans.views import LOANS, LoanView, overdue_days, view_of
from services.circulation.rules import SuspensionDays
from services.circulation.tables import Borrower, Copy, Loan, Suspension

CHECK_IN, MOVE, USE = "check_in", "move", "use"
SHELVE = "shelve"

_loans: Any = Loan.__table__
_END_LOAN = (
    update(_loans)
    .where(_loans.c.id == bindparam("loan_id"))
    .values(
        returned_at=bindparam("ended_at"),
        returned_branch_id=bindparam("ended_branch_id"),
        version=_loans.c.version + 1,
        changed_at=bindparam("ended_now"),
    )
)
_SUSPENSIONS_SINCE = (
    select(Suspension)
    .where(Suspension.borrower_id == bindparam("borrower_id"), Suspension.ends_on >= bindparam("day"))
    .where(Suspension.ended_at.is_(None))
    .order_by(Suspension.ends_on)
)


@dataclass(slots=True)
class CheckIn:
    """A check-in that is done.

    next         "shelve", or "transit" to the branch `to`
    view         the loan that has ended; None when the item was not on loan
    suspension   the borrower's suspension after a late return
    is_repeated  the same scan has returned the item just now
    """

    copy: Copy
    home: str
    next: str = SHELVE
    to: str = ""
    view: LoanView | None = None
    suspension: SuspensionDays | None = None
    notes: list[Refusal] = field(default_factory=list)
    is_repeated: bool = False


def check_in(session: Session, act: Act, *, item: str, branch: str) -> CheckIn:
    """Take an item back, or move it on.

    item    id, or barcode as scanned
    branch  full code of the desk's branch
    raises  NotFound  COPY_UNKNOWN, BRANCH_UNKNOWN
            Refused   CLOCK_BEHIND, AT_BEFORE_LOAN
    emits   LoanReturned, and SuspensionStarted if it was late; CopyMoved when the item was not lent
    """
    desk, copy = _scan(session, act, item, branch)
    home = desk.branches.full_code_of(copy.branch_id)
    result = CheckIn(copy, home)
    if home and copy.branch_id != desk.branch.id:
        result.next, result.to = TRANSIT, home
    if copy.is_gone or copy.status != IN_SERVICE:
        result.notes.append(Refusal("ITEM_NOT_IN_SERVICE", status="gone" if copy.is_gone else copy.status))
    if copy.state != ON_LOAN and _is_repeated(act, copy, desk, CHECK_IN, MOVE):
        result.is_repeated = True
        _repeat(session, act, result, desk)
        return result
    _refuse_clock_behind(act, desk)
    loan = open_loan_of(session, copy)
    if loan is not None:
        _end_loan(session, act, result, loan, desk)
    else:
        _move(session, act, result, desk)
    return result


def use_in_library(session: Session, act: Act, *, item: str, branch: str) -> tuple[Copy, str, bool]:
    """Count the use in the library. Returns the copy, the full code of its branch, and whether it is repeated.

    raises  NotFound  COPY_UNKNOWN, BRANCH_UNKNOWN
            Refused   CLOCK_BEHIND; ITEM_ON_LOAN  the item must be checked in first
    """
    desk, copy = _scan(session, act, item, branch)
    home = desk.branches.full_code_of(copy.branch_id)
    if _is_repeated(act, copy, desk, USE):
        return copy, home, True
    _refuse_clock_behind(act, desk)
    loan = open_loan_of(session, copy)
    if loan is not None:
        raise Refused("ITEM_ON_LOAN", due_on=loan.due_on)
    move_copy(session, copy, act, USE, state=copy.state, branch_id=desk.branch.id, transit_to=copy.transit_to)
    counts.add(
        session, counts.IN_LIBRARY_USE, on=act.today(desk.branch), branch=desk.branch.code, copy=copy, borrower=None,
        channel=act.channel,
    )  # fmt: skip
    record_act(session, act, "use_in_library", kind="copy", object_id=copy.id, copy=copy)
    return copy, home, False


def _refuse_clock_behind(act: Act, desk: Desk) -> None:
    """Refuse an act when the clock is behind the newest recorded act.

    raises  Refused  CLOCK_BEHIND
    """
    refusal = rules.clock_behind(now=act.now, newest_act=desk.newest_act)
    if refusal is not None:
        raise Refused(refusals=[refusal])


def _scan(session: Session, act: Act, item: str, branch: str) -> tuple[Desk, Copy]:
    desk = read_desk(session, act.institution_id, branch)
    copy = find_copy(session, act.institution_id, item, lock=True)
    if copy is None:
        raise NotFound(refusals=unknown(item, ""))
    return desk, copy


def _end_loan(session: Session, act: Act, result: CheckIn, loan: Loan, desk: Desk) -> None:
    # The clock of another desk may be some seconds behind, so only moments on paper are compared.
    if act.at < loan.lent_at and act.channel == counts.PAPER:
        raise Refused("AT_BEFORE_LOAN", lent_at=clock.utc_text(loan.lent_at))
    copy, borrower = result.copy, None
    if loan.borrower_id is not None:
        borrower = find_borrower(session, act.institution_id, str(loan.borrower_id), lock=True)
    late, is_suspended = overdue_days(session, loan, until=act.at), False
    if late:
        result.notes.append(Refusal("RETURNED_LATE", days=late, due_on=loan.due_on))
        is_suspended = borrower is not None and _suspend(session, act, result, loan, borrower, late)
    returned_at = max(act.at, loan.lent_at)
    ended = {
        "loan_id": loan.id, "ended_at": returned_at, "ended_branch_id": desk.branch.id, "ended_now": act.now,
    }  # fmt: skip
    session.connection().execute(_END_LOAN, ended)
    state, transit_to = _store_state(session, act, result, desk, CHECK_IN, loan.id)
    view = view_of(session, loan, copy, borrower, now=act.at, branches=desk.branches)
    result.view = replace(view, returned_at=returned_at, renewals_left=0, version=loan.version + 1, changed_at=act.now)
    counts.add(
        session,
        counts.RETURN,
        on=act.today(desk.branch),
        branch=desk.branch.code,
        copy=copy,
        borrower=borrower,
        channel=act.channel,
    )
    record_act(session, act, CHECK_IN, kind="loan", object_id=loan.id, copy=copy)
    message = loan_copy(
        copy, version=copy.state_version + 1, state=state, branch_id=transit_to or desk.branch.id, loan_id=loan.id,
        borrower_id=loan.borrower_id, due_at=loan.due_at, due_on=loan.due_on,
    )  # fmt: skip
    emit_loan_event(session, act, LoanReturned(loan=message))
    suspension = result.suspension
    if is_suspended and suspension is not None:
        begins_on, ends_on = suspension.begins_on.isoformat(), suspension.ends_on.isoformat()
        started = SuspensionStarted(loan=message, begins_on=begins_on, ends_on=ends_on, days=suspension.days)
        emit_loan_event(session, act, started)


def _suspend(session: Session, act: Act, result: CheckIn, loan: Loan, borrower: Borrower, late: int) -> bool:
    """Suspend the borrower of a late return. Returns whether a suspension begins or becomes longer."""
    days = suspension_days(
        late, grace=int(loan.policy_row.get("grace_days", 0)), cap=int(loan.policy_row.get("suspension_cap", 0))
    )
    if not days:
        return False
    returned_on = local_date(calendar_of(session, loan.branch_id), act.at)
    earlier = session.scalars(_SUSPENSIONS_SINCE, {"borrower_id": borrower.id, "day": returned_on}).all()
    suspended = [(row.returned_on, SuspensionDays(row.begins_on, row.ends_on, row.days)) for row in earlier]
    suspension, index = rules.suspension_after(returned_on, days, suspended)
    result.suspension = suspension
    change_borrower(session, borrower)
    is_changed = index is None or suspension.days > earlier[index].days
    if index is None:
        session.add(
            Suspension(
                id=new_id(), institution_id=loan.institution_id, borrower_id=borrower.id, loan_id=loan.id,
                returned_on=returned_on, begins_on=suspension.begins_on, ends_on=suspension.ends_on,
                days=suspension.days, ended_at=None,
            )
        )  # fmt: skip
    else:
        row = earlier[index]
        row.ends_on, row.days, row.loan_id = suspension.ends_on, suspension.days, loan.id
    return is_changed


def _move(session: Session, act: Act, result: CheckIn, desk: Desk) -> None:
    """Scan an item that is not on loan: it arrives at its branch, must go there, or is already there."""
    copy = result.copy
    if copy.state == TRANSIT:
        result.notes.append(Refusal("ITEM_WAS_IN_TRANSIT", to=desk.branches.full_code_of(copy.transit_to)))
        if result.to and copy.transit_to == copy.branch_id:
            return  # scanned while in transit
    else:
        result.notes.append(Refusal("ITEM_WAS_NOT_ON_LOAN"))
        if not result.to:
            return
    state, transit_to = _store_state(session, act, result, desk, MOVE, None)
    record_act(session, act, "move_copy", kind="copy", object_id=copy.id, copy=copy)
    message = loan_copy(copy, version=copy.state_version + 1, state=state, branch_id=transit_to or desk.branch.id)
    emit_loan_event(session, act, CopyMoved(loan=message))


def _store_state(
    session: Session, act: Act, result: CheckIn, desk: Desk, name: str, loan_id: UUID | None
) -> tuple[str, UUID | None]:
    """Store where the copy goes. Returns its state and its destination."""
    state, transit_to = (TRANSIT, result.copy.branch_id) if result.to else (IN, None)
    move_copy(
        session, result.copy, act, name, state=state, branch_id=desk.branch.id, loan_id=loan_id, transit_to=transit_to
    )
    return state, transit_to


def _is_repeated(act: Act, copy: Copy, desk: Desk, *names: str) -> bool:
    return (
        copy.act in names
        and copy.act_branch_id == desk.branch.id
        and rules.is_repetition(act_at=copy.act_at, now=act.now)
    )


def _repeat(session: Session, act: Act, result: CheckIn, desk: Desk) -> None:
    """Add the answer of the first scan."""
    row = session.execute(LOANS.where(Loan.id == result.copy.act_loan_id)).first()
    if row is None:
        return
    loan, copy, borrower = row
    result.view = view_of(session, loan, copy, borrower, now=act.now, branches=desk.branches)
    if result.view.overdue_days:
        result.notes.append(Refusal("RETURNED_LATE", days=result.view.overdue_days, due_on=loan.due_on))
    stored = session.scalars(
        select(Suspension).where(Suspension.loan_id == loan.id, Suspension.ended_at.is_(None)).limit(1)
    ).first()
    if stored is not None:
        result.suspension = SuspensionDays(stored.begins_on, stored.ends_on, stored.days)
