"""A clock that was set forward: reminders wait until NTP or an administrator confirms its time.

An administrator confirms it with `rangkiang clock accept`, which also ends what an earlier, wrong time has left behind:
its acts, which would refuse those of the right time (CLOCK_BEHIND), and its nights of reminders.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import system
from chassis.database.db import Database
from chassis.jobs.job_runs import CLOCK, DONE, is_unfinished, record_end, record_start
from services.circulation.loans.desks import NEWEST_ACT
from services.circulation.loans.reminders import BEGINS, REMINDERS
from services.circulation.tables import ReminderNight

log = logging.getLogger(__name__)

OPERATOR = system("operator")
JUMP = timedelta(hours=1)
# Of each database of this process: the clock and the seconds since the machine's start, when they were last compared.
last_readings: dict[URL, tuple[datetime, float]] = {}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the time of an administrator's confirmation ends.

    newest_act        when the newest act was recorded, if that is later than now
    reminders_waited  whether reminders wait for a confirmation
    nights            number of institutions and zones whose reminders have had a later night
    """

    now: datetime
    newest_act: datetime | None
    reminders_waited: bool
    nights: int

    @property
    def is_needed(self) -> bool:
        return bool(self.newest_act or self.reminders_waited or self.nights)


def is_confirmed(database: Database) -> bool:
    """Compare the clock with the time since the last call; return whether its time is confirmed after a jump forward.

    A jump is logged once. Times of sleep are none, because the seconds since the machine's start go on.
    """
    now, uptime = clock.now(), clock.uptime()
    before, last_readings[database.url] = last_readings.get(database.url), (now, uptime)
    if before is not None:
        jump = now - before[0] - timedelta(seconds=uptime - before[1])
        if jump > JUMP:
            log.warning("clock_jumped", extra={"seconds": round(jump.total_seconds()), "now": now.isoformat()})
            with database.transaction(REMINDERS) as session:
                record_start(session, CLOCK)
    with database.reading(REMINDERS) as session:
        if not is_unfinished(session, CLOCK):
            return True
    if not clock.is_synchronised():
        return False
    log.warning("clock_confirmed", extra={"by": "NTP", "now": now.isoformat()})
    with database.transaction(REMINDERS) as session:
        record_end(session, CLOCK, DONE)
    return True


def accept(session: Session, *, dry_run: bool) -> Acceptance:
    """Confirm the time of the clock; without anything that it ends, record nothing.

    dry_run  write nothing
    """
    now, newest = clock.now(), session.scalar(NEWEST_ACT)
    nights = [night for night in session.scalars(select(ReminderNight)) if night.night > _today(night, now)]
    is_ahead = newest is not None and newest > now
    acceptance = Acceptance(now, newest if is_ahead else None, is_unfinished(session, CLOCK), len(nights))
    if dry_run or not acceptance.is_needed:
        return acceptance
    for night in nights:
        # Today's reminders may have been sent, so the next ones are those of tomorrow.
        night.night = night.done_on = _today(night, now)
        night.position, night.parts, night.version = [], [], night.version + 1
    record_end(session, CLOCK, DONE)
    # The act itself ends CLOCK_BEHIND, because it is the newest act from now on.
    facts = {"newest_act": newest.isoformat() if is_ahead and newest else None, "nights": len(nights)}
    audit.record(session, OPERATOR, "circulation.accept_clock", kind="clock", object_id=now.isoformat(), facts=facts)
    return acceptance


def _today(night: ReminderNight, now: datetime) -> date:
    return (now.astimezone(ZoneInfo(night.zone)) - BEGINS).date()
