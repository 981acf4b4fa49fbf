"""Open loans of members, copied from circulation: the desk's page shows them, and they prevent an erasure.

Loans of a merged member move to the kept member, as in circulation, and stay there when the merge is undone. An event
that circulation emitted before it knew of the merge is stored for the kept member too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, case, delete, func, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import upsert_newer
from chassis.ids import parse_id
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from services.members.tables import Institution, Member, MemberLoan

# The same time as for inbox rows: older events are not delivered again.
KEPT = timedelta(days=30)
# Clocks of two machines differ by less than this.
_SKEW = timedelta(minutes=1)
_MOST_MERGES = 10
_members = Member.__table__.c
# Built once, because each act at a desk runs it.
_MERGED = select(_members.id, _members.merged_into).where(
    _members.id.in_(bindparam("ids", expanding=True)), _members.merged_into.is_not(None)
)


@dataclass(frozen=True, slots=True)
class LoanCounts:
    """Numbers of open loans. overdue: those that were due before today."""

    open: int
    overdue: int


def copy_loans(session: Session, loans: Sequence[tuple[LoanCopy, bool]]) -> None:
    """Store the states of loans after acts, as (loan, is open). An older act than the stored one changes nothing.

    The open loan of an erased member has no member.
    """
    now = clock.now()
    kept = _kept_ids(session, {parse_id(loan.member_id) for loan, is_open in loans if is_open and loan.member_id})
    rows = [
        {
            "loan_id": parse_id(loan.loan_id),
            "institution_id": parse_id(loan.institution_id),
            "member_id": kept[parse_id(loan.member_id)] if is_open and loan.member_id else None,
            "due_on": date.fromisoformat(loan.due_on) if is_open and loan.due_on else None,
            "state_version": loan.state_version,
            "copied_at": now,
            "returned_at": None if is_open else now,
        }
        for loan, is_open in loans
    ]
    upsert_newer(session, MemberLoan, rows, key="loan_id", version="state_version")


def _kept_ids(session: Session, member_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Follow merges. Returns the id of each member -> the id of the kept member."""
    kept = {member_id: member_id for member_id in member_ids}
    for _ in range(_MOST_MERGES):
        merged = {row.id: row.merged_into for row in session.execute(_MERGED, {"ids": list(kept.values())})}
        if not merged:
            break
        kept = {member_id: merged.get(kept_id, kept_id) for member_id, kept_id in kept.items()}
    return kept


def move(session: Session, merged_id: UUID, kept_id: UUID) -> None:
    """Move the loans of a merged member to the kept member."""
    session.execute(update(MemberLoan).where(MemberLoan.member_id == merged_id).values(member_id=kept_id))


def copy_open_loans(session: Session, loans: Iterable[LoanCopy]) -> list[UUID]:
    """Store the open loans of a page of circulation's snapshot. Returns their ids."""
    stored = [(loan, True) for loan in loans if loan.loan_id]
    copy_loans(session, stored)
    return [parse_id(loan.loan_id) for loan, _ in stored]


def return_missing(session: Session, seen: Collection[UUID], *, began_at: datetime) -> None:
    """Mark loans as returned that a complete snapshot does not have.

    began_at  when the snapshot was requested; loans that were copied later may be missing in its first pages
    """
    rows = session.scalars(
        select(MemberLoan.loan_id).where(MemberLoan.returned_at.is_(None), MemberLoan.copied_at < began_at - _SKEW)
    ).all()
    for loan_id in set(rows) - set(seen):
        session.execute(
            update(MemberLoan)
            .where(MemberLoan.loan_id == loan_id, MemberLoan.returned_at.is_(None))
            .values(member_id=None, due_on=None, returned_at=clock.now(), copied_at=clock.now())
        )


def is_empty(session: Session) -> bool:
    """Return whether no loan has been copied yet."""
    return session.scalar(select(MemberLoan.loan_id).limit(1)) is None


def counts_of(session: Session, member: Member) -> LoanCounts:
    """Count the loans of a member and of members merged into it, who still have loans that arrived during the merge."""
    institution = session.get_one(Institution, member.institution_id)
    today = clock.now().astimezone(ZoneInfo(institution.zone)).date()
    overdue = func.coalesce(func.sum(case((MemberLoan.due_on < today, 1), else_=0)), 0)
    ids = [member.id, *(merged.id for merged in merged_into(session, member.id))]
    row = session.execute(
        select(func.count(), overdue).where(MemberLoan.member_id.in_(ids), MemberLoan.returned_at.is_(None))
    ).one()
    return LoanCounts(row[0], int(row[1]))


def merged_into(session: Session, member_id: UUID) -> list[Member]:
    """Return the members that were merged into a member, directly or through another merge."""
    merged = list(session.scalars(select(Member).where(Member.merged_into == member_id, Member.erased_at.is_(None))))
    return [*merged, *(deeper for member in merged for deeper in merged_into(session, member.id))]


def forget_returned(session: Session) -> None:
    """Delete the rows of loans that were returned a month ago."""
    session.execute(delete(MemberLoan).where(MemberLoan.returned_at < clock.now() - KEPT))
