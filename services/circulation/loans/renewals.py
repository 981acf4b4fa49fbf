"""Renewals: a loan gets a later due moment, or every refusal is returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, bindparam, update
from sqlalchemy.orm import Session

from chassis.errors import NotFound, Refusal
from chassis.prepared import AnySession, Prepared
from rangkiang.circulation.v1.events_pb2 import LoanRenewed
from services.circulation import counts, rules
from services.circulation.borrowers import find_borrower
from services.circulation.calendars import Calendar, Due, local_date
from services.circulation.copies import ON_LOAN, read_id
from services.circulation.loans.acts import Act, Trace, change_borrower, guard, loan_fact, touch_copy
from services.circulation.loans.check_out import borrower_facts, days_json, due_of, policy_json
from services.circulation.loans.facts import ActFacts, renewal_facts, renewals_facts
from services.circulation.loans.views import LOANS, LoanView, view_of
from services.circulation.policies import PolicyRow, row_for
from services.circulation.rows import BorrowerRow, LoanRow
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
    """A renewal that was judged, before its write turn. A renewal with `refusals` is not written.

    view    the loan after the renewal; for a refused renewal the loan as it is
    values  parameters of the UPDATE of the loan
    """

    view: LoanView
    refusals: tuple[Refusal, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    trace: Trace = field(default_factory=Trace)
    daily_fact: dict[str, Any] = field(default_factory=dict)

    @property
    def branch(self) -> str:
        """Code of the lending branch; "" when the catalogue no longer has it."""
        return self.view.branch.code if self.view.branch is not None else ""


def plan_renewal(
    session: AnySession, act: Act, *, loan: str, borrower_id: UUID | None = None, due_on: str = "", lock: bool = False
) -> Renewal:
    """Judge the renewal of one loan and write nothing. The result has the refusals of all rules.

    borrower_id  the loan must belong to this borrower; None for any
    due_on       the due date that the caller has seen, ISO 8601, so that a link renews only once; "" for any
    raises       NotFound  LOAN_UNKNOWN
    """
    loan_id = read_id(loan)
    facts = renewal_facts(session, act.institution_id, loan_id, lock=lock) if loan_id is not None else None
    if facts is None or facts.loan is None or borrower_id not in (None, facts.loan.borrower_id):
        raise NotFound("LOAN_UNKNOWN", given=loan[:64])
    renewal = _judge(session, act, facts)
    if due_on and facts.loan.returned_at is None and facts.loan.due_on.isoformat() != due_on:
        assert facts.copy is not None
        view = view_of(session, facts.loan, facts.copy, facts.borrower, now=act.now, branches=facts.branches)
        return Renewal(view, (Refusal("LOAN_DUE_DAY_CHANGED", due_on=facts.loan.due_on),))
    return renewal


def plan_renewals(session: AnySession, act: Act, *, borrower_id: UUID, lock: bool = False) -> list[Renewal]:
    """Judge the renewal of each open loan of a borrower, in order of due moment, and write nothing."""
    return [
        _judge(session, act, facts) for facts in renewals_facts(session, act.institution_id, borrower_id, lock=lock)
    ]


def write_renewals(session: AnySession, act: Act, renewals: Sequence[Renewal]) -> None:
    """Write the renewals without refusals, in the transaction of `session`.

    raises  StaleFacts  a copy, a loan or the borrower has changed since it was read
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


def find_loan(session: Session, institution_id: UUID, loan: str) -> tuple[Loan, Copy, Borrower | None]:
    """Return a loan of an institution with its copy and borrower.

    raises  NotFound  LOAN_UNKNOWN
    """
    row = session.execute(LOANS.where(Loan.id == read_id(loan), Loan.institution_id == institution_id)).first()
    if row is None:
        raise NotFound("LOAN_UNKNOWN", given=loan[:64])
    return row[0], row[1], row[2]


def find_known_borrower(session: Session, institution_id: UUID, member: str) -> Borrower:
    """Return a borrower by id or number.

    raises  NotFound  BORROWER_UNKNOWN
    """
    borrower = find_borrower(session, institution_id, member)
    if borrower is None:
        raise NotFound("BORROWER_UNKNOWN", given=member[:64])
    return borrower


def _judge(session: AnySession, act: Act, read: ActFacts) -> Renewal:
    loan, copy, borrower, policies = read.loan, read.copy, read.borrower, read.policies
    assert loan is not None
    assert copy is not None
    calendar = read.calendar(session)
    today = local_date(calendar, act.now)
    row = row_for(
        policies.rows,
        category=borrower.category if borrower is not None else policies.default_category,
        collection=copy.collection,
        branch=read.branch.code if read.branch is not None else "",
    )
    new_due = _new_due(act, calendar, loan, borrower, row)
    facts = rules.RenewalFacts(
        now=act.now,
        today=today,
        newest_act=read.newest_act,
        borrower=borrower_facts(borrower, today=today, suspended_until=read.suspended_until) if borrower else NOBODY,
        row=row,
        collection=copy.collection,
        renewals=loan.renewals,
        due_at=loan.due_at,
        due_on=loan.due_on,
        new_due_at=new_due.at,
        is_ended=loan.returned_at is not None,
    )
    view = view_of(session, loan, copy, borrower, now=act.now, branches=read.branches)
    refusals, waived = rules.split_waived(rules.refusals_of_renewal(facts), act.override)
    refusals = rules.without_consequences(refusals)
    if refusals:
        return Renewal(view, tuple(refusals))
    return _renewal(act, view, loan, new_due, row or PolicyRow(), policies.version, waived, today)


def _new_due(act: Act, calendar: Calendar, loan: LoanRow, borrower: BorrowerRow | None, row: PolicyRow | None) -> Due:
    row = row or PolicyRow()
    counts_from = loan.due_at if row.renew_from == "due" else act.now
    return due_of(row, calendar, borrower, at=act.now, counts_from=counts_from)


def _renewal(
    act: Act,
    view: LoanView,
    loan: LoanRow,
    new_due: Due,
    row: PolicyRow,
    policy_version: int,
    waived: list[str],
    today: date,
) -> Renewal:
    copy, borrower = view.copy, view.borrower
    values = {
        "loan_id": loan.id,
        "read_version": loan.version,
        "new_due_at": new_due.at,
        "new_due_on": new_due.on,
        "new_policy_version": policy_version,
        "new_policy_row": policy_json(row),
        "new_days": days_json(new_due.days),
    }
    fact = loan_fact(
        LoanRenewed,
        copy=copy,
        state=ON_LOAN,
        branch_id=loan.branch_id,
        loan_id=loan.id,
        borrower_id=loan.borrower_id,
        due_at=new_due.at,
        due_on=new_due.on,
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
