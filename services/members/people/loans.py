"""Open loans of members, copied from circulation: the desk's page shows them, and they prevent an erasure.

Loans of a merged member move to the kept member, as in circulation, and stay there when the merge is undone. A fact
that circulation emitted before it knew of the merge is stored for the kept member too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, case, delete, func, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import upsert_newer
from chassis.ids import parse_id
from rangkiang.circulation.v1.events_pb2 import LoanFact
from services.members.tables import Institution, Member, MemberLoan

# The same time as for inbox rows: older facts are not delivered again.
KEPT = timedelta(days=30)
# Clocks of two machines differ by less than this.
_SKEW = timedelta(minutes=1)
_MOST_MERGES = 10
_MERGED_INTO = select(Member.merged_into).where(Member.id == bindparam("member_id"))  # built once, for each loan


@dataclass(frozen=True, slots=True)
class LoanCounts:
    """Numbers of open loans. overdue: those that were due before today."""

    open: int
    overdue: int


def copy_loan(session: Session, fact: LoanFact, *, is_open: bool) -> None:
    """Store the state of a loan after an act. An older act on the item than the stored one changes nothing."""
    now = clock.now()
    row = {
        "loan_id": parse_id(fact.loan_id),
        "institution_id": parse_id(fact.institution_id),
        "member_id": _kept_id(session, parse_id(fact.member_id)) if is_open else None,
        "due_on": date.fromisoformat(fact.due_on) if is_open and fact.due_on else None,
        "state_version": fact.state_version,
        "copied_at": now,
        "returned_at": None if is_open else now,
    }
    upsert_newer(session, MemberLoan, row, key="loan_id", version="state_version")


def _kept_id(session: Session, member_id: UUID) -> UUID:
    """Follow merges to the kept member."""
    for _ in range(_MOST_MERGES):
        merged_into = session.scalar(_MERGED_INTO, {"member_id": member_id})
        if merged_into is None:
            break
        member_id = merged_into
    return member_id


def move(session: Session, merged_id: UUID, kept_id: UUID) -> None:
    """Move the loans of a merged member to the kept member."""
    session.execute(update(MemberLoan).where(MemberLoan.member_id == merged_id).values(member_id=kept_id))


def copy_open_loans(session: Session, loans: Iterable[LoanFact]) -> list[UUID]:
    """Store the open loans of a page of circulation's snapshot. Returns their ids."""
    ids = []
    for fact in loans:
        if fact.loan_id:
            copy_loan(session, fact, is_open=True)
            ids.append(parse_id(fact.loan_id))
    return ids


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
    return [*merged, *(deeper for one in merged for deeper in merged_into(session, one.id))]


def forget_returned(session: Session) -> None:
    """Delete the rows of loans that were returned a month ago."""
    session.execute(delete(MemberLoan).where(MemberLoan.returned_at < clock.now() - KEPT))
