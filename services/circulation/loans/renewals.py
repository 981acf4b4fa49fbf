"""Renewals: a loan gets a later due moment, or every refusal is returned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from chassis.errors import NotFound, Refusal
from rangkiang.circulation.v1.events_pb2 import LoanRenewed
from services.circulation import counts, rules
from services.circulation.borrowers import find_borrower
from services.circulation.calendars import local_date
from services.circulation.calendars_store import calendar_of
from services.circulation.copies import find_copy, read_id
from services.circulation.institutions import branches_of
from services.circulation.loans.acts import Act, change_borrower, emit_loan_event, loan_copy, record_act
from services.circulation.loans.check_out import borrower_inputs, days_json, due_of, policy_json
from services.circulation.loans.desks import NEWEST_ACT
from services.circulation.loans.views import LOANS, LoanView, view_of
from services.circulation.policies import PolicyRow, row_for
from services.circulation.policies_store import current_policies
from services.circulation.tables import Borrower, Copy, Loan

_copies: Any = Copy.__table__
_CHANGE_COPY = (
    update(_copies).where(_copies.c.id == bindparam("copy_id")).values(state_version=_copies.c.state_version + 1)
)
NOBODY = rules.BorrowerInputs(expires_on=None, blocks=(), suspended_until=None, loans=())


@dataclass(frozen=True, slots=True)
class Renewal:
    """A loan after its renewal. With `refusals` it was not renewed."""

    view: LoanView
    refusals: tuple[Refusal, ...] = ()


def renew_loan(
    session: Session, act: Act, *, loan: str, borrower_id: UUID | None = None, due_on: str = "",
    is_dry_run: bool = False,
) -> Renewal:  # fmt: skip
    """Renew one loan. The result has the refusals of all rules.

    borrower_id  the loan must belong to this borrower; None for any
    due_on       the due date that the caller has seen, ISO 8601, so that a link renews only once; "" for any
    is_dry_run   lock and write nothing
    raises       NotFound  LOAN_UNKNOWN
    emits        LoanRenewed
    """
    loan_id = read_id(loan)
    query = select(Loan.copy_id, Loan.borrower_id).where(Loan.id == loan_id, Loan.institution_id == act.institution_id)
    row = session.execute(query).first()
    if row is None or borrower_id not in (None, row.borrower_id):
        raise NotFound("LOAN_UNKNOWN", given=loan[:64])
    copy = find_copy(session, act.institution_id, str(row.copy_id), lock=not is_dry_run)
    borrower = None
    if row.borrower_id is not None:
        borrower = find_borrower(session, act.institution_id, str(row.borrower_id), lock=not is_dry_run)
    stored = session.get_one(Loan, loan_id)
    assert copy is not None
    if due_on and stored.returned_at is None and stored.due_on.isoformat() != due_on:
        view = view_of(session, stored, copy, borrower, now=act.now)
        return Renewal(view, (Refusal("LOAN_DUE_DAY_CHANGED", due_on=stored.due_on),))
    return _renew(session, act, stored, copy, borrower, is_dry_run=is_dry_run)


def renew_loans(session: Session, act: Act, *, member: str, is_dry_run: bool = False) -> list[Renewal]:
    """Renew each open loan of a borrower, in order of due moment, as `renew_loan` does.

    member  id, or number as scanned
    raises  NotFound  BORROWER_UNKNOWN
    """
    borrower = find_known_borrower(session, act.institution_id, member)
    loans = select(Loan).where(Loan.borrower_id == borrower.id, Loan.returned_at.is_(None))
    copies = select(_copies).where(_copies.c.id.in_(loans.with_only_columns(Loan.copy_id))).order_by(_copies.c.id)
    if not is_dry_run:
        copies = copies.with_for_update()
    by_id: dict[UUID, Any] = {copy.id: copy for copy in session.execute(copies)}
    if not is_dry_run:
        borrower = find_known_borrower(session, act.institution_id, member, lock=True)
    # A copy that was lent since it would have been locked is not among them.
    query = loans.where(Loan.copy_id.in_(by_id)).order_by(Loan.due_at, Loan.id)
    return [
        _renew(session, act, loan, by_id[loan.copy_id], borrower, is_dry_run=is_dry_run)
        for loan in session.scalars(query).all()
    ]


def find_loan(session: Session, institution_id: UUID, loan: str) -> tuple[Loan, Copy, Borrower | None]:
    """Return a loan of an institution with its copy and borrower.

    raises  NotFound  LOAN_UNKNOWN
    """
    row = session.execute(LOANS.where(Loan.id == read_id(loan), Loan.institution_id == institution_id)).first()
    if row is None:
        raise NotFound("LOAN_UNKNOWN", given=loan[:64])
    return row[0], row[1], row[2]


def find_known_borrower(session: Session, institution_id: UUID, member: str, *, lock: bool = False) -> Borrower:
    """Return a borrower by id or number; the parameters are those of `find_borrower`.

    raises  NotFound  BORROWER_UNKNOWN
    """
    borrower = find_borrower(session, institution_id, member, lock=lock)
    if borrower is None:
        raise NotFound("BORROWER_UNKNOWN", given=member[:64])
    return borrower


def emit_renewal(session: Session, act: Act, copy: Copy, loan: Loan, *, is_moved: bool = False) -> None:
    """Increment the state version of a copy and emit LoanRenewed. is_moved: the due date was moved off a closed day."""
    session.connection().execute(_CHANGE_COPY, {"copy_id": copy.id})
    message = loan_copy(
        copy, version=copy.state_version + 1, state=copy.state, branch_id=loan.branch_id, loan_id=loan.id,
        borrower_id=loan.borrower_id, due_at=loan.due_at, due_on=loan.due_on,
    )  # fmt: skip
    emit_loan_event(session, act, LoanRenewed(loan=message, moved=is_moved))


def _renew(
    session: Session, act: Act, loan: Loan, copy: Copy, borrower: Borrower | None, *, is_dry_run: bool
) -> Renewal:
    """Judge and renew a loan whose copy and borrower are locked."""
    branches = branches_of(session, act.institution_id)
    place, calendar = branches.by_id(loan.branch_id), calendar_of(session, loan.branch_id)
    branch = place.code if place is not None else ""
    policies = current_policies(session, act.institution_id)
    today = local_date(calendar, act.now)
    policy_row = row_for(
        policies.rows,
        category=borrower.category if borrower is not None else policies.default_category,
        collection=copy.collection,
        branch=branch,
    )
    row = policy_row or PolicyRow()
    counts_from = loan.due_at if row.renew_from == "due" else act.now
    new_due = due_of(row, calendar, borrower, at=act.now, counts_from=counts_from)
    inputs = rules.RenewalInputs(
        now=act.now,
        today=today,
        newest_act=session.scalar(NEWEST_ACT),
        borrower=borrower_inputs(session, borrower, today=today) if borrower is not None else NOBODY,
        row=policy_row,
        collection=copy.collection,
        renewals=loan.renewals,
        due_at=loan.due_at,
        due_on=loan.due_on,
        new_due_at=new_due.at,
        is_ended=loan.returned_at is not None,
    )
    refusals, waived = rules.split_waived(rules.refusals_of_renewal(inputs), act.override)
    refusals = rules.without_consequences(refusals)
    if refusals or is_dry_run:
        return Renewal(view_of(session, loan, copy, borrower, now=act.now, branches=branches), tuple(refusals))

    if borrower is not None:
        change_borrower(session, borrower)
    loan.due_at, loan.due_on, loan.days = new_due.at, new_due.on, days_json(new_due.days)
    loan.policy_version, loan.policy_row = policies.version, policy_json(row)
    loan.renewals, loan.version, loan.changed_at = loan.renewals + 1, loan.version + 1, act.now
    counts.add(session, counts.RENEWAL, on=today, branch=branch, copy=copy, borrower=borrower, channel=act.channel)
    record_act(session, act, "renew", kind="loan", object_id=loan.id, copy=copy, waived=waived)
    emit_renewal(session, act, copy, loan)
    return Renewal(view_of(session, loan, copy, borrower, now=act.now, branches=branches))
