"""Copies of the catalogue's institutions and branches, and the sending hours of each institution."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.branches import full_code
from chassis.context import Context
from chassis.errors import Invalid, Outdated
from chassis.institutions import InstitutionCopies
from services.notifications.tables import Branch, Institution, SendingRules

QUIET_FROM, QUIET_UNTIL = time(20), time(7)
DEFAULT_ZONE = "Asia/Jakarta"


_copies = InstitutionCopies(Institution, Branch)
is_empty, copy_institutions = _copies.is_empty, _copies.copy


@dataclass(frozen=True, slots=True)
class Window:
    """The hours in which digests are sent, never within the quiet hours from 20:00 to 07:00."""

    opens: time = QUIET_UNTIL
    closes: time = QUIET_FROM

    def next_moment(self, moment: datetime, zone: str) -> datetime:
        """Return the moment if it is in the window, else the next opening of the window in this zone, as UTC."""
        local = moment.astimezone(ZoneInfo(zone))
        if self.opens <= local.time() < self.closes:
            return moment
        day = local.date() + timedelta(days=local.time() >= self.closes)
        return self._opening(day, zone)

    def next_day(self, moment: datetime, zone: str) -> datetime:
        """Return the opening of the window on the next day, as UTC."""
        return self._opening(moment.astimezone(ZoneInfo(zone)).date() + timedelta(days=1), zone)

    def _opening(self, day: date, zone: str) -> datetime:
        return datetime.combine(day, self.opens, ZoneInfo(zone)).astimezone(UTC)


USUAL = Window()


def local_day(moment: datetime, zone: str) -> date:
    """Return the day of a moment in a zone."""
    return moment.astimezone(ZoneInfo(zone)).date()


class BranchDirectory:
    """Zones and sending windows of institutions and branches, which are read once for many notices."""

    def __init__(self, session: Session) -> None:
        self.institutions = {row.id: row for row in session.scalars(select(Institution))}
        self.branches = {row.id: row for row in session.scalars(select(Branch))}
        self._windows = {row.institution_id: read_window(row) for row in session.scalars(select(SendingRules))}

    def zone_of(self, institution_id: UUID, branch_id: UUID | None) -> str:
        """Return the zone of a branch, else the zone of its institution."""
        branch = self.branches.get(branch_id) if branch_id is not None else None
        place = branch or self.institutions.get(institution_id)
        return place.zone if place is not None and place.zone else DEFAULT_ZONE

    def window_of(self, institution_id: UUID) -> Window:
        return self._windows.get(institution_id, USUAL)


def full_codes(session: Session) -> dict[str, str]:
    """Return id -> full code of all branches."""
    query = select(Branch.id, Institution.code, Branch.code).join(Institution, Institution.id == Branch.institution_id)
    return {str(branch_id): full_code(institution, code) for branch_id, institution, code in session.execute(query)}


def own_zone(session: Session, institution_id: UUID) -> str:
    """Return the zone of an institution."""
    row = session.get(Institution, institution_id)
    return row.zone if row is not None and row.zone else DEFAULT_ZONE


def read_window(row: SendingRules) -> Window:
    """Return the window of saved rules."""
    return Window(time.fromisoformat(row.opens), time.fromisoformat(row.closes))


def rules_of(session: Session, institution_id: UUID) -> SendingRules:
    """Return the saved rules of an institution, or the default rules as version 0."""
    row = session.get(SendingRules, institution_id)
    if row is not None:
        return row
    opens, closes = f"{USUAL.opens:%H:%M}", f"{USUAL.closes:%H:%M}"
    return SendingRules(institution_id=institution_id, version=0, opens=opens, closes=closes)


def save_rules(
    session: Session, institution_id: UUID, *, opens: str, closes: str, version: int, context: Context
) -> SendingRules:
    """Save the hours in which an institution sends digests.

    version  the version that was read; 0 for the default rules
    raises   Invalid   SENDING_WINDOW  not "HH:MM", not in order, less than an hour, or within the quiet hours
             Outdated  VERSION_OUTDATED
    """
    try:
        window = Window(time.fromisoformat(opens), time.fromisoformat(closes))
    except ValueError:
        raise Invalid("SENDING_WINDOW", opens=opens[:16], closes=closes[:16]) from None
    minutes = (window.closes.hour - window.opens.hour) * 60 + window.closes.minute - window.opens.minute
    if window.opens < QUIET_UNTIL or window.closes > QUIET_FROM or minutes < 60 or len(opens) != 5 or len(closes) != 5:
        raise Invalid("SENDING_WINDOW", opens=opens[:16], closes=closes[:16])
    row = session.get(SendingRules, institution_id, with_for_update=True)
    if row is not None and row.version != version:
        changed = [name for name, value in (("opens", opens), ("closes", closes)) if getattr(row, name) != value]
        raise Outdated.at_version(row.version, given=version, changed=changed, changed_at=row.saved_at)
    if row is None:
        row = SendingRules(institution_id=institution_id, version=0)
        session.add(row)
    row.version, row.opens, row.closes = version + 1, opens, closes
    row.saved_by, row.saved_at = context.actor, clock.now()
    session.flush()
    return row
