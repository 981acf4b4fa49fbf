"""Stored calendars of branches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.sql import insert_for
from chassis.errors import NotFound, Outdated
from services.circulation.calendars import Calendar, hours_of, local_date, minutes, planned_hours, week_at
from services.circulation.calendars.documents import (
    read_calendar,
    refuse_overlapping_seasons,
    write_calendar,
    write_week,
)
from services.circulation.tables import Branch, BranchCalendar, BranchDay

MOST_DAYS = 31

STORED = (BranchCalendar.version, BranchCalendar.document, BranchCalendar.weeks)
_CALENDAR = (
    select(Branch.zone, *STORED)
    .outerjoin(BranchCalendar, BranchCalendar.branch_id == Branch.id)
    .where(Branch.id == bindparam("branch_id"))
)


def calendar_of(session: Session, branch_id: UUID) -> Calendar:
    """Return the calendar of a branch. A branch without one has version 0 and is open every day.

    raises  NotFound  BRANCH_UNKNOWN
    """
    row = session.connection().execute(_CALENDAR, {"branch_id": branch_id}).first()
    if row is None:
        raise NotFound("BRANCH_UNKNOWN", given=str(branch_id))
    return calendar_from_row(row, row.zone)


def save_calendar(
    session: Session, branch: Branch, *, version: int, document: Mapping[str, Any], context: Context
) -> Calendar:
    """Replace the calendar of a branch. An equal calendar changes nothing.

    version   version of the calendar that the caller has read
    document  see `calendars.documents.read_calendar`; changed weekly hours are valid from today on by default
    raises    Outdated  VERSION_OUTDATED  another change was first
              Invalid   with every fault of the document
    """
    current = calendar_of(session, branch.id)
    if version != current.version:
        raise _outdated(session, branch, given=version, document=document)
    today = local_date(current, clock.now())
    calendar = changed_calendar(current, document)
    before, after = write_calendar(current), write_calendar(calendar)
    if before == after:
        return current
    # Release 0.4.0 takes `weekly` for a change when it differs from the hours of the day on which it was saved.
    document = {"weekly": write_week(week_at(calendar.weeks, today)), **after}
    weeks = document.pop("weeks")
    values = {
        "institution_id": branch.institution_id,
        "version": calendar.version,
        "document": _json(document),
        "weeks": _json(weeks),
        "saved_by": context.actor,
        "saved_at": clock.now(),
    }
    insert = insert_for(session, BranchCalendar).values(branch_id=branch.id, **values)
    upsert = insert.on_conflict_do_update(
        index_elements=["branch_id"], set_=values, where=BranchCalendar.version == version
    )
    if session.execute(upsert.returning(BranchCalendar.version)).first() is None:
        raise _outdated(session, branch, given=version, document=document)
    facts = {"version": calendar.version, "changed": [name for name in after if after[name] != before[name]]}
    audit.record(session, context, "circulation.save_calendar", kind="calendar", object_id=branch.id, facts=facts)
    return calendar


def days_to_keep(session: Session, branch: Branch) -> list[dict[str, Any]]:
    """Return the missing rows of `BranchDay` of a branch until yesterday.

    The first row of a branch is yesterday's. After more than MOST_DAYS days without the job, earlier days are left out.
    """
    calendar = calendar_of(session, branch.id)
    yesterday = local_date(calendar, clock.now()) - timedelta(days=1)
    latest = session.scalar(select(func.max(BranchDay.date)).where(BranchDay.branch_id == branch.id))
    missing = 1 if latest is None else min((yesterday - latest).days, MOST_DAYS)
    return [
        {
            "branch_id": branch.id,
            "date": day,
            "institution_id": branch.institution_id,
            "planned_minutes": minutes(planned_hours(calendar, day)),
            "open_minutes": minutes(hours_of(calendar, day)),
        }
        for day in (yesterday - timedelta(days=number) for number in range(missing))
    ]


def changed_calendar(current: Calendar, document: Mapping[str, Any]) -> Calendar:
    """Return the next version of a calendar. Raises Invalid with every fault of the document."""
    today = local_date(current, clock.now())
    calendar = read_calendar(document, zone=current.zone, version=current.version + 1, before=current, today=today)
    refuse_overlapping_seasons(calendar)
    return calendar


def _outdated(session: Session, branch: Branch, *, given: int, document: Mapping[str, Any]) -> Outdated:
    """Build the error of an outdated calendar, with the names of the parts that differ from the stored calendar."""
    stored = session.get(BranchCalendar, branch.id)
    version, saved_at = (stored.version, stored.saved_at) if stored else (0, clock.now())
    calendar = calendar_of(session, branch.id)
    current = write_calendar(calendar)
    if not document.get("weeks"):
        current["weekly"] = write_week(week_at(calendar.weeks, local_date(calendar, clock.now())))
        del current["weeks"]
    changed = [name for name in current if (document.get(name) or None) != (current[name] or None)]
    return Outdated.at_version(version, given=given, changed=changed, changed_at=saved_at)


def calendar_from_row(row: Any, zone: str) -> Calendar:
    """Read a calendar from its STORED columns; with NULL in them the branch has no calendar."""
    return Calendar(zone) if row.version is None else _read(row.document, row.weeks, zone, row.version)


@lru_cache(maxsize=256)
def _read(text: str, weeks: str, zone: str, version: int) -> Calendar:
    """Read a calendar. The cache key contains the texts, so a cached calendar always belongs to its texts."""
    return read_calendar({**json.loads(text), "weekly": {}, "weeks": json.loads(weeks)}, zone=zone, version=version)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
