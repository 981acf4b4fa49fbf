"""Calendars: when a branch is open, when a loan is due, and how many open days it is overdue.

Times of day are minutes since midnight in the branch's zone. A branch without hours is open every day, all day. A
search for an open day looks at `SEARCH_DAYS` days at most; if all of them are closed, the first day is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 24 * 60
SEARCH_DAYS = 800
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY = timedelta(days=1)
_LAST_SECOND = time(23, 59, 59)

# (opens, closes) in order, without overlap: ((480, 720), (780, 960)).
Hours = tuple[tuple[int, int], ...]
# Seven days, Monday first; an empty tuple: open every day, all day.
Week = tuple[Hours, ...]

ALL_DAY: Hours = ((0, MINUTES_A_DAY),)


@dataclass(frozen=True, slots=True)
class Closing:
    """A period in which the branch is closed, from the first day to the last, both included."""

    first: date
    last: date
    why: str
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class Season:
    """Other hours from the first day to the last, both included, for example in Ramadan."""

    first: date
    last: date
    why: str
    weekly: Week


@dataclass(frozen=True, slots=True)
class DatedWeek:
    """Weekly hours from a first day until the next ones begin; `date.min`: since ever."""

    first: date
    weekly: Week


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a branch is open.

    zone             IANA name: Asia/Jakarta, Asia/Makassar or Asia/Jayapura in Indonesia
    weeks            in order of first days; a day before all of them, or without any, is open all day
    seasons          if two include a day, the later one in the list decides; such calendars are no longer saved
    confirmed_years  years whose holidays a manager has confirmed
    """

    zone: str
    weeks: tuple[DatedWeek, ...] = ()
    closings: tuple[Closing, ...] = ()
    seasons: tuple[Season, ...] = ()
    confirmed_years: tuple[int, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day that was tried as the due date, with the reason if it is closed."""

    date: date
    is_open: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """When a loan is due.

    at    UTC, to the second
    on    the day of `at` in the branch's zone
    days  the day that the period gives, and each day that was tried after it, in this order; the last one is `on`
    """

    at: datetime
    on: date
    days: tuple[CalendarDay, ...]


def hours_of(calendar: Calendar, day: date) -> Hours:
    """Return the opening hours of a day; empty when the branch is closed."""
    return () if closing_of(calendar, day) is not None else planned_hours(calendar, day)


def planned_hours(calendar: Calendar, day: date) -> Hours:
    """Return the hours of the week or of the season, without regard to closings."""
    week = _week_of(calendar, day)
    return week[day.weekday()] if week else ALL_DAY


def has_hours(calendar: Calendar, day: date) -> bool:
    """Return whether somebody has entered hours for the week of a day. Without them, due dates use `ALL_DAY`."""
    return bool(_week_of(calendar, day))


def week_at(weeks: Sequence[DatedWeek], day: date) -> Week:
    """Return the weekly hours that are valid on a day; empty when the day is before all of them."""
    return next((week.weekly for week in reversed(weeks) if week.first <= day), ())


def with_week(weeks: Iterable[DatedWeek], first: date, weekly: Week) -> tuple[DatedWeek, ...]:
    """Return weekly hours with new ones from a first day until the next later ones. Earlier days keep their hours."""
    changes: list[DatedWeek] = []
    dated = {week.first: week for week in weeks} | {first: DatedWeek(first, weekly)}
    for _, week in sorted(dated.items()):
        if week.weekly != week_at(changes, week.first):
            changes.append(week)
    return tuple(changes)


def season_of(calendar: Calendar, day: date) -> Season | None:
    """Return the season that gives the hours of a day: the last one in the list that includes the day."""
    seasons = [season for season in calendar.seasons if season.first <= day <= season.last]
    return seasons[-1] if seasons else None


def closing_of(calendar: Calendar, day: date) -> Closing | None:
    """Return the first closing that includes a day."""
    return next((closing for closing in calendar.closings if closing.first <= day <= closing.last), None)


def is_open(calendar: Calendar, day: date) -> bool:
    return bool(hours_of(calendar, day))


def minutes(hours: Hours) -> int:
    return sum(closes - opens for opens, closes in hours)


def local_date(calendar: Calendar, moment: datetime) -> date:
    """Return the day of a moment in the branch's zone."""
    return moment.astimezone(ZoneInfo(calendar.zone)).date()


def due(
    calendar: Calendar,
    *,
    lent_at: datetime,
    unit: str,
    period: int,
    last_due_on: date | None,
    expires_on: date | None,
    counts_from: datetime | None = None,
) -> Due:
    """Return when a loan is due.

    A loan in days is due `period` days later, or on the first open day after that, at 23:59:59, so that a book in the
    return box in the evening is in time.

    A loan in hours is due `period` hours later. If this moment is in a break of the day, the loan is due when the
    branch opens again; if it is outside opening hours, at the previous closing time; if the branch has not closed since
    the loan, at the next opening time.

    `last_due_on` and `expires_on` are limits. After the earlier limit, a loan is due on the last open day before it,
    but not before the day of the loan. A limit before the day of the loan, or without an open day since, does not
    apply.

    lent_at      aware; for a renewal the moment of the renewal
    unit         "day" or "hour"
    counts_from  start of the period: for a renewal from the due date the due moment; by default `lent_at`
    """
    start = counts_from or lent_at
    lent_on = local_date(calendar, lent_at)
    limits = [limit for limit in (last_due_on, expires_on) if limit is not None and limit >= lent_on]
    limit = min(limits, default=date.max)
    if unit == "hour":
        return _due_in_hours(calendar, lent_at, (start + timedelta(hours=period)).replace(microsecond=0), limit)
    first = local_date(calendar, start) + timedelta(days=period)
    days = _open_days(calendar, first, limit) or _open_days(calendar, min(first, limit), lent_on, step=-1)
    days = days or _open_days(calendar, first, date.max) or [CalendarDay(first, is_open=False)]
    on = days[-1].date
    return Due(_end_of(calendar, on), on, tuple(days))


def due_after_closing(calendar: Calendar, *, unit: str, due_at: datetime) -> Due:
    """Return when a loan is due whose due date is now closed: on the next open day; a loan in hours when it opens.

    The reader is not responsible for a closing, so the new moment is never earlier.
    """
    day = local_date(calendar, due_at)
    days = _open_days(calendar, day, date.max) or [CalendarDay(day, is_open=False)]
    on = days[-1].date
    moment = (_opening_time(calendar, due_at) or due_at) if unit == "hour" else _end_of(calendar, on)
    return Due(moment, local_date(calendar, moment), tuple(days))


def overdue_open_days(calendar: Calendar, *, due_on: date, until: date) -> int:
    """Count the open days after the due date, up to and including `until`, within at most `SEARCH_DAYS` days."""
    count = min((until - due_on).days, SEARCH_DAYS)
    return sum(is_open(calendar, due_on + timedelta(days=number)) for number in range(1, count + 1))


def suspension_days(overdue_open_days: int, *, grace: int, cap: int) -> int:
    """Return the calendar days of a suspension: overdue open days minus grace days, at most `cap`."""
    return min(max(overdue_open_days - grace, 0), cap)


def _due_in_hours(calendar: Calendar, lent_at: datetime, wanted: datetime, limit: date) -> Due:
    """Return a moment within opening hours, as `due` describes."""
    latest = wanted if local_date(calendar, wanted) <= limit else _end_of(calendar, limit)
    moment = (
        _open_moment(calendar, latest)
        or _closing_time(calendar, lent_at, latest)
        or _opening_time(calendar, wanted)
        or wanted.astimezone(UTC)
    )
    first, on = local_date(calendar, wanted), local_date(calendar, moment)
    days = [CalendarDay(day, is_open(calendar, day), _why(calendar, day)) for day in dict.fromkeys((first, on))]
    return Due(moment, on, tuple(days))


def _open_moment(calendar: Calendar, moment: datetime) -> datetime | None:
    """Return the moment if the branch is open then, the end of the break if it is in a break, else None."""
    intervals = _intervals(calendar, local_date(calendar, moment))
    if not intervals or not intervals[0][0] <= moment <= intervals[-1][1]:
        return None
    opens = next(opens for opens, closes in intervals if moment <= closes)
    return max(opens, moment.astimezone(UTC))


def _closing_time(calendar: Calendar, lent_at: datetime, latest: datetime) -> datetime | None:
    """Return the last closing time after `lent_at` that is not after `latest`."""
    day, lent_on = local_date(calendar, latest), local_date(calendar, lent_at)
    while day >= lent_on:
        for _, closes in reversed(_intervals(calendar, day)):
            if lent_at < closes <= latest:
                return closes
        day -= _DAY
    return None


def _opening_time(calendar: Calendar, moment: datetime) -> datetime | None:
    """Return the first opening time that is not before a moment."""
    day = local_date(calendar, moment)
    for number in range(SEARCH_DAYS):
        for opens, _ in _intervals(calendar, day + timedelta(days=number)):
            if opens >= moment:
                return opens
    return None


def _open_days(calendar: Calendar, first: date, last: date, *, step: int = 1) -> list[CalendarDay]:
    """Return the days from `first` to the first open day; empty without one until `last` or the end of the search."""
    days: list[CalendarDay] = []
    day = first
    while len(days) < SEARCH_DAYS and (day <= last if step > 0 else day >= last):
        days.append(CalendarDay(day, is_open(calendar, day), _why(calendar, day)))
        if days[-1].is_open:
            return days
        day += step * _DAY
    return []


def _intervals(calendar: Calendar, day: date) -> list[tuple[datetime, datetime]]:
    """Return (opens, closes) of a day in UTC. A branch that is open until midnight closes at 23:59:59."""
    hours = hours_of(calendar, day)
    return [(_moment(calendar, day, opens), _moment(calendar, day, closes)) for opens, closes in hours]


def _moment(calendar: Calendar, day: date, minutes: int) -> datetime:
    if minutes >= MINUTES_A_DAY:
        return _end_of(calendar, day)
    return datetime.combine(day, time(*divmod(minutes, 60)), ZoneInfo(calendar.zone)).astimezone(UTC)


def _end_of(calendar: Calendar, day: date) -> datetime:
    return datetime.combine(day, _LAST_SECOND, ZoneInfo(calendar.zone)).astimezone(UTC)


def _week_of(calendar: Calendar, day: date) -> Week:
    season = season_of(calendar, day)
    return week_at(calendar.weeks, day) if season is None else season.weekly


def _why(calendar: Calendar, day: date) -> str:
    closing = closing_of(calendar, day)
    return closing.why if closing else ""
