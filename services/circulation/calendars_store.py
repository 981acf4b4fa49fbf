"""Calendars of branches, stored."""

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
from chassis.errors import NotFound, Outdated
from chassis.sql import insert_for
from services.circulation.calendars import Calendar, hours_of, local_date, minutes, planned_hours
from services.circulation.calendars.documents import read_calendar, write_calendar
from services.circulation.tables import Branch, BranchCalendar, BranchDay

MOST_DAYS = 31

# Built once: every act at a desk executes it.
_CALENDAR = (
    select(Branch.zone, BranchCalendar.version, BranchCalendar.document)
    .outerjoin(BranchCalendar, BranchCalendar.branch_id == Branch.id)
    .where(Branch.id == bindparam("branch_id"))
)


def calendar_of(session: Session, branch_id: UUID) -> Calendar:
    """Return the calendar of a branch; version 0 is a branch without one, which is open every day.

    raises  NotFound  BRANCH_UNKNOWN
    """
    row = session.execute(_CALENDAR, {"branch_id": branch_id}).first()
    if row is None:
        raise NotFound("BRANCH_UNKNOWN", given=str(branch_id))
    return _calendar(row.document or "{}", row.zone, row.version or 0)


def save_calendar(
    session: Session, branch: Branch, *, version: int, document: Mapping[str, Any], context: Context
) -> Calendar:
    """Replace the calendar of a branch. One that is the same as the stored one changes nothing.

    version   of the calendar that the caller has read
    document  as `calendars.documents.read_calendar`
    raises    Outdated  VERSION_OUTDATED  another change came first
              Invalid   every fault of the document
    """
    current = calendar_of(session, branch.id)
    if version != current.version:
        raise _outdated(session, branch, given=version, document=document)
    calendar = read_calendar(document, zone=branch.zone, version=version + 1)
    before, after = write_calendar(current), write_calendar(calendar)
    if before == after:
        return current
    values = {
        "institution_id": branch.institution_id,
        "version": calendar.version,
        "document": json.dumps(after, ensure_ascii=False, separators=(",", ":")),
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
    """Return the rows of `BranchDay` that a branch lacks until yesterday.

    A branch begins with yesterday; after a month without this process, earlier days are left out.
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


def _outdated(session: Session, branch: Branch, *, given: int, document: Mapping[str, Any]) -> Outdated:
    """Build the error of a calendar that was read before another change; it names what differs from the stored one."""
    stored = session.get(BranchCalendar, branch.id)
    version, saved_at = (stored.version, stored.saved_at) if stored else (0, clock.now())
    current = write_calendar(calendar_of(session, branch.id))
    changed = [name for name in current if (document.get(name) or None) != (current[name] or None)]
    return Outdated.at_version(version, given=given, changed=changed, changed_at=saved_at)


@lru_cache(maxsize=256)
def _calendar(text: str, zone: str, version: int) -> Calendar:
    """Each loan reads a calendar; the text decides, so the calendar of an earlier text is never that of another."""
    return read_calendar(json.loads(text), zone=zone, version=version)
