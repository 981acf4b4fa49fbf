"""Checks of `rangkiang doctor` for circulation."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from chassis import clock
from chassis.context import system
from chassis.institutions import SANDBOX
from chassis.jobs.job_runs import CLOCK, is_unfinished
from chassis.operations.health import Finding
from chassis.sentences import sentence
from chassis.service import Resources
from services.circulation.calendars import week_at
from services.circulation.calendars_store import calendar_of
from services.circulation.tables import Branch, Institution

DOCTOR = system("doctor")
# Loans of today are due within this time, so the calendar must have its holidays.
AHEAD = timedelta(days=30)
_MOST_NAMED = 10


def calendars(resources: Resources) -> list[Finding]:
    """Check that each branch has opening hours, and holidays that a manager has confirmed for the next 30 days.

    Lending works without them, so these findings are only advice.
    """
    without_hours: list[str] = []
    unconfirmed: list[str] = []
    with resources.database.reading(DOCTOR) as session:
        branches = session.execute(
            select(Branch.id, Branch.code, Branch.zone, Institution.code.label("institution"))
            .join(Institution, Institution.id == Branch.institution_id)
            .where(~Institution.code.startswith(SANDBOX, autoescape=True))
            .order_by(Institution.code, Branch.code)
        ).all()
        for branch in branches:
            calendar, name = calendar_of(session, branch.id), f"{branch.institution}/{branch.code}"
            today = clock.now().astimezone(ZoneInfo(branch.zone)).date()
            if not week_at(calendar.weeks, today):
                without_hours.append(name)
            if not {today.year, (today + AHEAD).year} <= set(calendar.confirmed_years):
                unconfirmed.append(name)
    if not branches:
        return []
    part = "circulation calendars"
    findings: list[Finding] = []
    if without_hours:
        message = sentence("CHECK_CALENDARS_WITHOUT_HOURS", count=len(without_hours), branches=_names(without_hours))
        findings.append(Finding(part, True, message, sentence("CHECK_CALENDARS_WITHOUT_HOURS_ADVICE")))
    if unconfirmed:
        message = sentence("CHECK_CALENDARS_UNCONFIRMED", count=len(unconfirmed), branches=_names(unconfirmed))
        findings.append(Finding(part, True, message, sentence("CHECK_CALENDARS_UNCONFIRMED_ADVICE")))
    return findings or [Finding(part, True, sentence("CHECK_CALENDARS", count=len(branches)))]


def clock_jump(resources: Resources) -> list[Finding]:
    """Check that reminders do not wait for a confirmation of the clock's time."""
    part = "circulation clock"
    with resources.database.reading(DOCTOR) as session:
        if not is_unfinished(session, CLOCK):
            return [Finding(part, True, sentence("CHECK_NO_CLOCK_JUMP"))]
    return [Finding(part, False, sentence("CHECK_CLOCK_JUMP"), sentence("CHECK_CLOCK_JUMP_ADVICE"))]


def _names(branches: list[str]) -> str:
    more = ["…"] if len(branches) > _MOST_NAMED else []
    return ", ".join([*branches[:_MOST_NAMED], *more])
