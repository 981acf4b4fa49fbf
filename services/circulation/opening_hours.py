"""Opening hours of branches on the next days, for readers: hours, closings with their reasons, seasons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.branches import full_code
from chassis.errors import Invalid, NotFound
from rangkiang.circulation.v1 import rules_pb2 as wire
from services.circulation.calendars import Calendar, closing_of, has_hours, hours_of, local_date, season_of
from services.circulation.calendars.documents import YEARS, write_time
from services.circulation.calendars_store import STORED, calendar_from_row
from services.circulation.tables import Branch, BranchCalendar, Institution

MOST_DAYS = 14
MOST_BRANCHES = 100
A_WEEK = 7


def list_opening_hours(
    session: Session,
    institution: str,
    *,
    branches: Sequence[str] = (),
    first: str = "",
    days: int = 0,
    cursor: str = "",
) -> tuple[list[wire.OpeningHours], str]:
    """Return the opening hours of at most MOST_BRANCHES branches in order of code, and the cursor of the next page.

    branches  codes in the institution; empty for all branches of the institution
    first     first day, ISO 8601; "" for today in the zone of each branch
    days      number of days; 0 for A_WEEK
    cursor    cursor of the previous page; "" for the first page
    raises    Invalid   HOURS_DAYS_INVALID, HOURS_DAY_INVALID, HOURS_TOO_MANY_BRANCHES
              NotFound  HOURS_INSTITUTION_UNKNOWN, BRANCH_UNKNOWN
    """
    if not 0 <= days <= MOST_DAYS:
        raise Invalid("HOURS_DAYS_INVALID", field="days", given=days, limit=MOST_DAYS)
    if len(branches) > MOST_BRANCHES:
        raise Invalid("HOURS_TOO_MANY_BRANCHES", field="branches", given=len(branches), limit=MOST_BRANCHES)
    begins_on = _read_day(first)
    institution_id = session.scalar(select(Institution.id).where(Institution.code == institution))
    if institution_id is None:
        raise NotFound("HOURS_INSTITUTION_UNKNOWN", given=institution[:64])
    query = (
        select(Branch, *STORED)
        .outerjoin(BranchCalendar, BranchCalendar.branch_id == Branch.id)
        .where(Branch.institution_id == institution_id, Branch.code > cursor)
        .order_by(Branch.code)
        .limit(MOST_BRANCHES + 1)
    )
    rows = session.execute(query.where(Branch.code.in_(branches)) if branches else query).all()
    missing = set(branches) - {row.Branch.code for row in rows}
    if missing and not cursor:
        raise NotFound("BRANCH_UNKNOWN", given=full_code(institution, min(missing))[:100])
    page = rows[:MOST_BRANCHES]
    hours = [
        _hours(institution, row.Branch, calendar_from_row(row, row.Branch.zone), begins_on, days or A_WEEK)
        for row in page
    ]
    return hours, page[-1].Branch.code if len(rows) > len(page) else ""


def _read_day(text: str) -> date | None:
    """Read a date; None for "". Raises Invalid HOURS_DAY_INVALID."""
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("HOURS_DAY_INVALID", field="from", given=text[:40]) from None
    if day is not None and day.year not in YEARS:
        raise Invalid("HOURS_DAY_INVALID", field="from", given=text[:40])
    return day


def _hours(
    institution: str, branch: Branch, calendar: Calendar, begins_on: date | None, count: int
) -> wire.OpeningHours:
    first = begins_on or local_date(calendar, clock.now())
    dates = [first + timedelta(days=number) for number in range(count)]
    return wire.OpeningHours(
        institution=institution,
        branch=full_code(institution, branch.code),
        branch_id=str(branch.id),
        zone=branch.zone,
        has_hours=any(has_hours(calendar, day) for day in dates),
        days=[_day(calendar, day) for day in dates],
    )


def _day(calendar: Calendar, day: date) -> wire.OpeningDay:
    closing, season = closing_of(calendar, day), season_of(calendar, day)
    # Without hours a loan may be due on any day, but it is unknown whether the branch is open.
    hours = hours_of(calendar, day) if has_hours(calendar, day) else ()
    return wire.OpeningDay(
        date=day.isoformat(),
        hours=[wire.Interval(opens=write_time(opens), closes=write_time(closes)) for opens, closes in hours],
        is_closed=closing is not None,
        why=closing.why if closing is not None else "",
        is_estimated=closing is not None and closing.is_estimated,
        season=season.why if season is not None else "",
    )
