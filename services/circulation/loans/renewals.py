"""Renewals: the due moment of a loan moves, or every reason against it is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, bindparam, select, update
from sqlalchemy.orm import Session

from chassis.errors import NotFound, Refusal, Refused
from chassis.sql import Prepared
from rangkiang.circulation.v1.events_pb2 import LoanRenewed
from services.circulation import counts, rules
from services.circulation.borrowers import find_borrower
from services.circulation.calendars import Due, local_date
from services.circulation.calendars_store import calendar_of
from services.circulation.copies import ON_LOAN, read_id
from services.circulation.institutions import branches_of
from services.circulation.loans.acts import Act, Trace, change_borrower, guard, loan_fact, newest_act, touch_copy
from services.circulation.loans.check_out import borrower_facts, days_json, due_of
from services.circulation.loans.views import LOANS, LoanView, view_of
from services.circulation.policies import PolicyRow, row_for, write_rows
from services.circulation.policies_store import current_policies
from services.circulation.tables import Borrower, Copy, Loan

NOBODY = rules.BorrowerFacts(expires_on=None, blocks=(), suspended_until=None, loans=())

_loans: Any = Loan.__table__
_RENEW_LOAN = Prepared(
    update(_loans)
    .where(_loans.c.id == bindparam("loan_id"), _loans.c.version == bindparam("read_version"))
    .where(_loans.c.returned_at.is_(None))
    .values(
        version=_loans.c.version + 1,
        renewals=_loans.c.renewals + 1,
        due_at=bindparam("new_due_at"),
        due_on=bindparam("new_due_on"),
        policy_version=bindparam("new_policy_version"),
        policy_row=bindparam("new_policy_row", type_=JSON),
        days=bindparam("new_days", type_=JSON),
    )
)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal that was judged, before its write turn; a refused one has `refusals` and is not written.

    view    the loan as it is after the renewal, or as it stays
    values  of the loan's row
    """

    view: LoanView
    refusals: tuple[Refusal, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    trace: Trace = field(default_factory=Trace)
    daily_fact: dict[str, Any] = field(default_factory=dict)


def plan_renewal(
    session: Session, act: Act, *, loan: str, borrower_id: UUID | None = None, lock: bool = False
) -> Renewal:
    """Judge the renewal of one loan; write nothing.

    borrower_id  whose loan it must be
    raises       NotFound  LOAN_UNKNOWN
                 Refused   every rule that objects, together
    """
    row = find_loan(session, act.institution_id, loan, borrower_id=borrower_id, lock=lock)
    renewal = _judge(session, act, *row)
    if renewal.refusals:
        raise Refused(refusals=renewal.refusals)
    return renewal


def plan_renewals(session: Session, act: Act, *, borrower: Borrower, lock: bool = False) -> list[Renewal]:
    """Judge the renewal of each open loan of a borrower, the one that is due first at first; write nothing."""
    query = LOANS.where(Loan.borrower_id == borrower.id, Loan.returned_at.is_(None)).order_by(Loan.due_at, Loan.id)
    if lock:
        ids = select(Loan.copy_id).where(Loan.borrower_id == borrower.id, Loan.returned_at.is_(None))
        session.execute(select(Copy.id).where(Copy.id.in_(ids)).order_by(Copy.id).with_for_update())
        session.execute(select(Borrower.id).where(Borrower.id == borrower.id).with_for_update())
        query = query.execution_options(populate_existing=True)
    return [_judge(session, act, *row) for row in session.execute(query).all()]


def write_renewals(session: Session, act: Act, renewals: Sequence[Renewal]) -> None:
    """Write those renewals that are not refused, in their transaction.

    raises  StaleFacts  a copy, a loan or the borrower has changed since
    emits   LoanRenewed for each
    """
    renewed = [renewal for renewal in renewals if not renewal.refusals]
    for renewal in renewed:
        touch_copy(session, renewal.view.copy)
    if renewed and (borrower := renewed[0].view.borrower) is not None:
        change_borrower(session, borrower)
    for renewal in renewed:
        guard(session, _RENEW_LOAN, renewal.values)
        counts.add(session, renewal.daily_fact)
        renewal.trace.write(session)


def find_loan(
    session: Session, institution_id: UUID, loan: str, *, borrower_id: UUID | None = None, lock: bool = False
) -> tuple[Loan, Copy, Borrower | None]:
    """Return a loan of an institution with its copy and borrower.

    raises  NotFound  LOAN_UNKNOWN
    """
    loan_id = read_id(loan)
    query = LOANS.where(Loan.id == loan_id, Loan.institution_id == institution_id)
    if borrower_id is not None:
        query = query.where(Loan.borrower_id == borrower_id)
    if lock:
        copy_id = select(Loan.copy_id).where(Loan.id == loan_id).scalar_subquery()
        session.execute(select(Copy.id).where(Copy.id == copy_id).with_for_update())
        query = query.execution_options(populate_existing=True)
    row = session.execute(query).first()
    if row is None:
        raise NotFound("LOAN_UNKNOWN", given=loan[:64])
    if lock and row[2] is not None:
        session.refresh(row[2], with_for_update=True)
    return row[0], row[1], row[2]


def find_known_borrower(session: Session, institution_id: UUID, member: str) -> Borrower:
    """Return a borrower by id or number.

    raises  NotFound  BORROWER_UNKNOWN
    """
    borrower = find_borrower(session, institution_id, member)
    if borrower is None:
        raise NotFound("BORROWER_UNKNOWN", given=member[:64])
    return borrower


def _judge(session: Session, act: Act, loan: Loan, copy: Copy, borrower: Borrower | None) -> Renewal:
    branches = branches_of(session, act.institution_id)
    branch = branches.by_id(loan.branch_id)
    calendar = calendar_of(session, loan.branch_id)
    today = local_date(calendar, act.now)
    policies = current_policies(session, act.institution_id)
    row = row_for(
        policies.rows,
        category=borrower.category if borrower is not None else policies.default_category,
        collection=copy.collection,
        branch=branch.code if branch is not None else "",
    )
    new_due = _new_due(session, act, loan, borrower, row)
    facts = rules.RenewalFacts(
        now=act.now,
        today=today,
        newest_act=newest_act(session),
        borrower=borrower_facts(session, borrower, today=today) if borrower is not None else NOBODY,
        row=row,
        collection=copy.collection,
        renewals=loan.renewals,
        due_at=loan.due_at,
        due_on=loan.due_on,
        new_due_at=new_due.at,
        is_ended=loan.returned_at is not None,
    )
    view = view_of(session, loan, copy, borrower, now=act.now, branches=branches)
    refusals, waived = rules.split_waived(rules.refusals_of_renewal(facts), act.override)
    if refusals:
        return Renewal(view, tuple(refusals))
    return _renewal(act, view, loan, new_due, row or PolicyRow(), policies.version, waived, today)


def _new_due(session: Session, act: Act, loan: Loan, borrower: Borrower | None, row: PolicyRow | None) -> Due:
    row = row or PolicyRow()
    counts_from = loan.due_at if row.renew_from == "due" else act.now
    return due_of(row, calendar_of(session, loan.branch_id), borrower, at=act.now, counts_from=counts_from)


def _renewal(
    act: Act,
    view: LoanView,
    loan: Loan,
    new_due: Due,
    row: PolicyRow,
    policy_version: int,
    waived: list[str],
    today: date,
) -> Renewal:
    copy, borrower = view.copy, view.borrower
    (policy_row,) = write_rows([row])
    values = {
        "loan_id": loan.id,
        "read_version": loan.version,
        "new_due_at": new_due.at,
        "new_due_on": new_due.on,
        "new_policy_version": policy_version,
        "new_policy_row": policy_row,
        "new_days": days_json(new_due.days),
    }
    fact = LoanRenewed(
        loan=loan_fact(
            copy=copy,
            state=ON_LOAN,
            branch_id=loan.branch_id,
            loan_id=loan.id,
            borrower_id=loan.borrower_id,
            due_at=new_due.at,
            due_on=new_due.on,
        )
    )
    renewed = replace(
        view, due_at=new_due.at, due_on=new_due.on, renewals=loan.renewals + 1, overdue_days=0,
        renewals_left=max(0, row.renewals - loan.renewals - 1), version=loan.version + 1,
    )  # fmt: skip
    daily_fact = counts.daily_fact(
        counts.RENEWAL, on=today, branch=view.branch.code if view.branch else "", copy=copy, borrower=borrower,
        channel=act.channel,
    )  # fmt: skip
    trace = Trace.of(act, "renew", kind="loan", object_id=loan.id, copy=copy, fact=fact, waived=waived)
    return Renewal(renewed, values=values, trace=trace, daily_fact=daily_fact)
