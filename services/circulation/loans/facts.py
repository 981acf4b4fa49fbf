"""The facts for an act, read in one statement: copy, borrower, loan, and the versions of the rules.

The statement reads rows together with the versions that guard them. On PostgreSQL a later statement may read newer
rows; then the guard misses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.prepared import AnySession, Prepared
from services.circulation.borrowers import kept_id
from services.circulation.calendars import Calendar
from services.circulation.calendars_store import calendar_at
from services.circulation.copies import IN, read_id
from services.circulation.institutions import Branches, BranchFacts, branches_at
from services.circulation.policies import PolicySet
from services.circulation.policies_store import NEWEST_VERSION, policies_at
from services.circulation.rows import BorrowerRow, CopyRow, LoanRow
from services.circulation.rules import REPETITION
from services.circulation.tables import (
    Borrower,
    BorrowerNumber,
    Branch,
    BranchCalendar,
    Copy,
    Institution,
    Loan,
    PolicyVersion,
    Suspension,
)


@dataclass(slots=True)
class ActFacts:
    """The result of one statement for an act. A row is None when the act has none, or when it is unknown.

    branch           the desk's branch; for a renewal the lending branch
    suspended_until  the last day of the borrower's suspensions, also when it has passed
    loan             the open loan of the copy, or the loan that is renewed
    """

    branches: Branches
    policies: PolicySet
    newest_act: datetime | None
    copy: CopyRow | None
    borrower: BorrowerRow | None
    loan: LoanRow | None
    suspended_until: date | None
    branch: BranchFacts | None
    calendar_version: int | None

    def calendar(self, session: AnySession) -> Calendar:
        """Return the calendar of the branch."""
        if self.branch is None:
            return Calendar("UTC")
        return calendar_at(session, self.branch.id, self.calendar_version, self.branch.zone)


_institutions, _branches, _calendars = Institution.__table__, Branch.__table__, BranchCalendar.__table__
_copies, _borrowers, _numbers = Copy.__table__, Borrower.__table__, BorrowerNumber.__table__
_loans, _suspensions, _policies = Loan.__table__, Suspension.__table__, PolicyVersion.__table__

NEWEST_ACT = select(audit.acts.c.at).order_by(audit.acts.c.number.desc()).limit(1)


def _columns(table: Any, row: Any, prefix: str) -> list[Any]:
    return [table.c[name].label(f"{prefix}_{name}") for name in row._fields]


_HEAD = [
    _institutions.c.version.label("institution_version"),
    _institutions.c.kind,
    NEWEST_VERSION.where(_policies.c.institution_id == _institutions.c.id).scalar_subquery().label("policy_version"),
    NEWEST_ACT.scalar_subquery().label("newest_act"),
    select(func.max(_suspensions.c.ends_on))
    .where(_suspensions.c.borrower_id == _borrowers.c.id, _suspensions.c.ended_at.is_(None))
    .scalar_subquery()
    .label("suspended_until"),
    _branches.c.id.label("act_branch_id"),
    _calendars.c.version.label("calendar_version"),
]
_ALL = [
    *_HEAD,
    *_columns(_copies, CopyRow, "copy"),
    *_columns(_borrowers, BorrowerRow, "borrower"),
    *_columns(_loans, LoanRow, "loan"),
]
_COPY = slice(len(_HEAD), len(_HEAD) + len(CopyRow._fields))
_BORROWER = slice(_COPY.stop, _COPY.stop + len(BorrowerRow._fields))
_LOAN = slice(_BORROWER.stop, _BORROWER.stop + len(LoanRow._fields))

_is_open = _loans.c.returned_at.is_(None)
_BY_ITEM = {
    True: _copies.c.id == bindparam("item"),
    False: (_copies.c.barcode == bindparam("item")) & ~_copies.c.is_gone,
}
_of_desk = (_branches.c.institution_id == _institutions.c.id) & (_branches.c.code == bindparam("branch"))
_of_number = (_numbers.c.institution_id == bindparam("institution")) & (_numbers.c.number == bindparam("member"))
# A row of a number has its institution. With a condition on the borrower's institution too, SQLite would read every
# borrower of the institution.
_OF_MEMBER = {
    True: (_borrowers.c.id == bindparam("member")) & (_borrowers.c.institution_id == bindparam("institution")),
    False: _borrowers.c.id.in_(select(_numbers.c.borrower_id).where(_of_number)),
}


def _item_statement(item_by_id: bool, *, member_by_id: bool | None) -> Prepared:
    """Build the statement for an act on an item. The item, the member and the branch may be unknown.

    member_by_id  whether the act has the id of the member, not a number; None: the borrower of the open loan
    """
    tables = _institutions.outerjoin(
        _copies, (_copies.c.institution_id == _institutions.c.id) & _BY_ITEM[item_by_id]
    ).outerjoin(_loans, (_loans.c.copy_id == _copies.c.id) & _is_open)
    if member_by_id is None:
        tables = tables.outerjoin(_borrowers, _borrowers.c.id == _loans.c.borrower_id)
    elif member_by_id:
        tables = tables.outerjoin(_borrowers, _OF_MEMBER[True] & ~_borrowers.c.is_erased)
    else:
        tables = tables.outerjoin(_numbers, _of_number).outerjoin(
            _borrowers, (_borrowers.c.id == _numbers.c.borrower_id) & ~_borrowers.c.is_erased
        )
    tables = tables.outerjoin(_branches, _of_desk).outerjoin(_calendars, _calendars.c.branch_id == _branches.c.id)
    return Prepared(select(*_ALL).select_from(tables).where(_institutions.c.id == bindparam("institution")))


_CHECK_OUT = {
    (item_by_id, member_by_id): _item_statement(item_by_id, member_by_id=member_by_id)
    for item_by_id in (True, False)
    for member_by_id in (True, False)
}
_CHECK_IN = {by_id: _item_statement(by_id, member_by_id=None) for by_id in (True, False)}
_renewed = (
    select(*_ALL)
    .select_from(
        _loans.join(_copies, _copies.c.id == _loans.c.copy_id)
        .join(_institutions, _institutions.c.id == _loans.c.institution_id)
        .outerjoin(_borrowers, _borrowers.c.id == _loans.c.borrower_id)
        .outerjoin(_branches, _branches.c.id == _loans.c.branch_id)
        .outerjoin(_calendars, _calendars.c.branch_id == _branches.c.id)
    )
    .where(_loans.c.institution_id == bindparam("institution"))
)
_RENEWAL = Prepared(_renewed.where(_loans.c.id == bindparam("loan")))
_RENEWALS = Prepared(
    _renewed.where(_loans.c.borrower_id == bindparam("member"), _is_open).order_by(_loans.c.due_at, _loans.c.id)
)
_MEMBER = {
    by_id: Prepared(select(_borrowers.c.id, _borrowers.c.merged_into).where(~_borrowers.c.is_erased, condition))
    for by_id, condition in _OF_MEMBER.items()
}
# An item that was deleted from the catalogue can be found only by its barcode, also for a second scan of its return.
_GONE = Prepared(
    select(_copies.c.id)
    .where(_copies.c.institution_id == bindparam("institution"), _copies.c.barcode == bindparam("item"))
    .where(_copies.c.is_gone, (_copies.c.state != IN) | (_copies.c.act_at > bindparam("since")))
)
# On PostgreSQL, before the facts are read again; the locks last until the end of the transaction.
_LOCK_COPY = {
    by_id: Prepared(
        select(_copies.c.id)
        .where(_copies.c.institution_id == bindparam("institution"), condition)
        .order_by(_copies.c.id)
        .with_for_update()
    )
    for by_id, condition in _BY_ITEM.items()
}
_LOCK_BORROWER = {
    by_id: Prepared(select(_borrowers.c.id).where(condition).order_by(_borrowers.c.id).with_for_update())
    for by_id, condition in _OF_MEMBER.items()
}
_LOCK_COPIES_OF_LOANS = {
    column: Prepared(
        select(_copies.c.id)
        .where(
            _copies.c.institution_id == bindparam("institution"),
            _copies.c.id.in_(select(_loans.c.copy_id).where(_loans.c[column] == bindparam("given"), condition)),
        )
        .order_by(_copies.c.id)
        .with_for_update()
    )
    for column, condition in (("id", _loans.c.id.is_not(None)), ("borrower_id", _is_open))
}


def check_out_facts(
    session: AnySession, institution_id: UUID, *, item: str, member: str, branch: str, lock: bool = False
) -> ActFacts:
    """Read the facts for a check-out.

    item, member  ids, or numbers as scanned; the row is None if the number is unknown, or several rows have it
    branch        code of the desk's branch
    lock          on PostgreSQL, lock copy and borrower, the copy first, until the end of the transaction
    raises        NotFound  BRANCH_UNKNOWN
    """
    item_id, member_id = read_id(item), read_id(member)
    values = {"institution": institution_id, "item": item_id or item, "member": member_id or member, "branch": branch}
    if lock:
        _lock(session, _LOCK_COPY[item_id is not None], values, "item")
        _lock(session, _LOCK_BORROWER[member_id is not None], values, "member")
    rows = _CHECK_OUT[item_id is not None, member_id is not None].rows(session, values)
    if (gone := _gone_copy(session, institution_id, rows, item)) is not None:
        return check_out_facts(session, institution_id, item=str(gone), member=member, branch=branch, lock=lock)
    facts = _facts_of_scan(session, institution_id, rows, branch)
    borrower = facts.borrower
    if borrower is not None and borrower.merged_into is not None and member_id is not None:
        borrower_id = kept_id(session, borrower.merged_into)
        facts.borrower = None
        if borrower_id != borrower.id:
            return check_out_facts(
                session, institution_id, item=item, member=str(borrower_id), branch=branch, lock=lock
            )
    return facts


def item_facts(session: AnySession, institution_id: UUID, *, item: str, branch: str, lock: bool = False) -> ActFacts:
    """Read the facts for a check-in or a use in the library, like `check_out_facts`, with the open loan's borrower."""
    item_id = read_id(item)
    values = {"institution": institution_id, "item": item_id or item, "branch": branch}
    if lock:
        _lock(session, _LOCK_COPY[item_id is not None], values, "item")
    rows = _CHECK_IN[item_id is not None].rows(session, values)
    if (gone := _gone_copy(session, institution_id, rows, item)) is not None:
        return item_facts(session, institution_id, item=str(gone), branch=branch, lock=lock)
    return _facts_of_scan(session, institution_id, rows, branch)


def find_borrower_id(session: AnySession, institution_id: UUID, member: str) -> UUID | None:
    """Return the id of a borrower, by id or number; None when none or several have the number.

    The id of a merged member finds the kept member.
    """
    member_id = read_id(member)
    rows = _MEMBER[member_id is not None].rows(session, {"institution": institution_id, "member": member_id or member})
    if len(rows) != 1:
        return None
    borrower_id: UUID = rows[0].id
    return borrower_id if rows[0].merged_into is None or member_id is None else kept_id(session, borrower_id)


def renewal_facts(session: AnySession, institution_id: UUID, loan_id: UUID, *, lock: bool = False) -> ActFacts | None:
    """Read the facts for the renewal of a loan; None for an unknown loan."""
    values = {"institution": institution_id, "loan": loan_id}
    if lock:
        _LOCK_COPIES_OF_LOANS["id"].rows(session, {"institution": institution_id, "given": loan_id})
    rows = _RENEWAL.rows(session, values)
    if lock and rows and rows[0].borrower_id is not None:
        _lock_borrower(session, institution_id, rows[0].borrower_id)
        rows = _RENEWAL.rows(session, values)
    return _facts(session, institution_id, rows[0]) if rows else None


def renewals_facts(
    session: AnySession, institution_id: UUID, borrower_id: UUID, *, lock: bool = False
) -> list[ActFacts]:
    """Read the facts for the renewal of each open loan of a borrower, in order of due moment."""
    if lock:
        _LOCK_COPIES_OF_LOANS["borrower_id"].rows(session, {"institution": institution_id, "given": borrower_id})
        _lock_borrower(session, institution_id, borrower_id)
    rows = _RENEWALS.rows(session, {"institution": institution_id, "member": borrower_id})
    return [_facts(session, institution_id, row) for row in rows]


def _lock(session: AnySession, statement: Prepared, values: Mapping[str, Any], name: str) -> None:
    statement.rows(session, {"institution": values["institution"], name: values[name]})


def _lock_borrower(session: AnySession, institution_id: UUID, borrower_id: UUID) -> None:
    _LOCK_BORROWER[True].rows(session, {"institution": institution_id, "member": borrower_id})


def _gone_copy(session: AnySession, institution_id: UUID, rows: list[Any], item: str) -> UUID | None:
    """Return the deleted copy with this barcode that is on loan, in transit or just returned; None if not unique."""
    if not rows or rows[0].copy_id is not None or read_id(item) is not None:
        return None
    values = {"institution": institution_id, "item": item, "since": clock.now() - REPETITION}
    ids = [row.id for row in _GONE.rows(session, values)]
    return ids[0] if len(ids) == 1 else None


def _facts_of_scan(session: AnySession, institution_id: UUID, rows: list[Any], branch: str) -> ActFacts:
    """Return the facts of a scan; it has several rows when several copies or borrowers have the scanned number."""
    if not rows:
        Branches(()).by_code(branch)  # raises NotFound, because the institution is not known here
    facts = _facts(session, institution_id, rows[0])
    facts.branch = facts.branches.by_code(branch)
    if len({row.copy_id for row in rows}) > 1:
        facts.copy = facts.loan = None
    if len({row.borrower_id for row in rows}) > 1:
        facts.borrower = None
    return facts


def _facts(session: AnySession, institution_id: UUID, row: Any) -> ActFacts:
    branches = branches_at(session, institution_id, row.institution_version)
    return ActFacts(
        branches=branches,
        policies=policies_at(session, institution_id, row.policy_version, row.kind),
        newest_act=row.newest_act,
        copy=CopyRow._make(row[_COPY]) if row.copy_id is not None else None,
        borrower=BorrowerRow._make(row[_BORROWER]) if row.borrower_id is not None else None,
        loan=LoanRow._make(row[_LOAN]) if row.loan_id is not None else None,
        suspended_until=row.suspended_until,
        branch=branches.by_id(row.act_branch_id),
        calendar_version=row.calendar_version,
    )


def open_loan_of(session: Session, copy: Copy) -> Loan | None:
    """Return the open loan of a copy."""
    return session.scalars(select(Loan).where(Loan.copy_id == copy.id, Loan.returned_at.is_(None))).first()
