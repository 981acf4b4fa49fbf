"""Suspensions of borrowers: the list of those in force, and their end by staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from chassis import audit
from chassis.bus.events import emit
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Invalid, Refused
from rangkiang.circulation.v1.events_pb2 import SuspensionEnded
from services.circulation.loans.acts import LONGEST_REASON, Act, change_borrower
from services.circulation.loans.lists import (
    DEFAULT_LIMIT,
    HIGHEST_LIMIT,
    in_force,
    local_today,
    period,
)
from services.circulation.loans.renewals import find_known_borrower
from services.circulation.rules import SuspensionDays
from services.circulation.tables import Borrower, Suspension


@dataclass(frozen=True, slots=True)
class SuspensionPage:
    """Borrowers with their suspensions as one period, the first to end first. cursor: "" on the last page."""

    rows: list[tuple[Borrower, SuspensionDays]]
    total: int
    cursor: str


def list_suspensions(session: Session, act: Act, *, limit: int = 0, cursor: str = "") -> SuspensionPage:
    """List the borrowers of an institution with a suspension that is in force or follows.

    raises  Invalid  CURSOR_INVALID
    """
    conditions = [Suspension.institution_id == act.institution_id, *in_force(local_today(session, act))]
    total = session.execute(select(func.count(Suspension.borrower_id.distinct())).where(*conditions)).scalar_one()
    limit = min(limit or DEFAULT_LIMIT, HIGHEST_LIMIT)
    last = func.max(Suspension.ends_on)
    query = (
        select(Borrower, func.min(Suspension.begins_on), last)
        .join(Suspension, Suspension.borrower_id == Borrower.id)
        .where(*conditions)
        .group_by(Borrower.id)
        .order_by(last, Borrower.id)
        .limit(limit + 1)
    )
    if cursor:
        day, borrower_id = read_cursor(cursor, "suspensions", date.fromisoformat, UUID)
        query = query.having(or_(last > day, and_(last == day, Borrower.id > borrower_id)))
    rows = [(borrower, period(first, end)) for borrower, first, end in session.execute(query)]
    more = write_cursor("suspensions", rows[limit - 1][1].ends_on, rows[limit - 1][0].id) if len(rows) > limit else ""
    return SuspensionPage(rows[:limit], total, more)


def end_suspension(session: Session, act: Act, *, member: str, reason: str) -> SuspensionDays:
    """End the suspensions of a borrower that are in force or follow. Returns them as one period, as it was.

    member  id, or a number as scanned
    raises  Invalid   SUSPENSION_UNREASONED, REASON_TOO_LONG
            NotFound  BORROWER_UNKNOWN
            Refused   NO_SUSPENSION
    emits   SuspensionEnded
    """
    reason = reason.strip()
    if not reason:
        raise Invalid("SUSPENSION_UNREASONED", field="reason")
    if len(reason) > LONGEST_REASON:
        raise Invalid("REASON_TOO_LONG", field="reason", longest=LONGEST_REASON)
    borrower = find_known_borrower(session, act.institution_id, member, lock=True)
    change_borrower(session, borrower)
    query = select(Suspension).where(Suspension.borrower_id == borrower.id, *in_force(local_today(session, act)))
    suspensions = session.scalars(query.order_by(Suspension.begins_on)).all()
    if not suspensions:
        raise Refused("NO_SUSPENSION")
    for row in suspensions:
        row.ended_at = act.now
        # As all audit rows of lending, this one does not name the borrower.
        facts = {"loan": str(row.loan_id or ""), "ends_on": row.ends_on.isoformat(), "reason": reason}
        audit.record(
            session, act.caller, "circulation.end_suspension", kind="suspension", object_id=row.id, facts=facts
        )
    event = SuspensionEnded(member_id=str(borrower.id))
    emit(session, event, aggregate_id=borrower.id, version=borrower.lending_version + 1, context=act.caller)
    return period(suspensions[0].begins_on, max(row.ends_on for row in suspensions))
