"""Calendars as documents of clients and files: names of days, times as "HH:MM", dates as ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from chassis.errors import Invalid, Refusal
from services.circulation.calendars import (
    MINUTES_A_DAY,
    WEEKDAYS,
    Calendar,
    Closing,
    DatedWeek,
    Hours,
    Season,
    Week,
    week_at,
    with_week,
)

MOST_INTERVALS = 6
MOST_CLOSINGS = 500
MOST_SEASONS = 50
MOST_WEEKS = 200
MOST_YEARS = 20
MOST_WHY_CHARACTERS = 200
LONGEST_DAYS = 400
YEARS = range(2000, 2101)

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00", re.ASCII)
_KEYS = frozenset({"weekly", "weekly_from", "weeks", "closed", "seasons", "confirmed_years"})


def read_calendar(
    document: Mapping[str, Any], *, zone: str, version: int = 0, before: Calendar | None = None, today: date = date.min
) -> Calendar:
    """Read and check a calendar.

    document  {"weekly": {"mon": [["08:00", "16:00"]], …}, "weekly_from": "2026-12-07", "weeks": [{"from", "weekly"}],
              "closed": [{"from", "to", "why", "is_estimated"?}], "seasons": [{"from", "to", "why", "weekly"}],
              "confirmed_years": [2026]}. All of these may be absent; without `to` the period is one day. A day that
              is not in a week is closed; in a week without hours every day is open.
    before    the stored calendar. Its weekly hours stay, unless the document has `weeks` in their place. `weekly` that
              differs from the hours of `before` is valid from `weekly_from` on; by default from today, and the first
              hours of a calendar since ever. An empty `weekly` beside `weeks` is not read.
    today     in the zone of the branch
    raises    Invalid  with every fault; `field` is the place of the value, such as closed[3].to
              CALENDAR_VALUE_INVALID, CALENDAR_HOURS_OVERLAP, CALENDAR_DATES_REVERSED, CALENDAR_NEVER_OPEN,
              CALENDAR_TOO_LONG, CALENDAR_WEEKS_SAME_DAY
    """
    faults: list[Refusal] = [_invalid(key, document[key]) for key in document if key not in _KEYS]
    weeks = _weeks(document, before.weeks if before is not None else (), today, faults)
    closings = [_closing(entry, field, faults) for field, entry in _entries(document, "closed", MOST_CLOSINGS, faults)]
    seasons = [_season(entry, field, faults) for field, entry in _entries(document, "seasons", MOST_SEASONS, faults)]
    years: list[int] = []
    for field, year in _entries(document, "confirmed_years", MOST_YEARS, faults):
        if type(year) is int and year in YEARS:
            years.append(year)
        else:
            faults.append(_invalid(field, year))
    if faults:
        raise Invalid(refusals=faults)
    return Calendar(
        zone=zone,
        weeks=weeks,
        closings=tuple(sorted((closing for closing in closings if closing), key=lambda closing: closing.first)),
        seasons=tuple(season for season in seasons if season),
        confirmed_years=tuple(sorted(set(years))),
        version=version,
    )


def refuse_overlapping_seasons(calendar: Calendar) -> None:
    """Refuse seasons that have a day in common; calendars that were stored earlier may have them.

    raises  Invalid  CALENDAR_SEASONS_OVERLAP  for each pair, with the names and days of both
    """
    faults: list[Refusal] = []
    for number, season in enumerate(calendar.seasons):
        for other in calendar.seasons[:number]:
            if season.first <= other.last and other.first <= season.last:
                facts = {"season": season.why or "–", "first": season.first, "last": season.last}
                facts |= {"other": other.why or "–", "other_first": other.first, "other_last": other.last}
                faults.append(Refusal("CALENDAR_SEASONS_OVERLAP", field=f"seasons[{number}].from", **facts))
    if faults:
        raise Invalid(refusals=faults)


def write_calendar(calendar: Calendar) -> dict[str, Any]:
    """Return a calendar as JSON values for `read_calendar`."""
    return {
        "weeks": [
            {"from": "" if week.first == date.min else week.first.isoformat(), "weekly": write_week(week.weekly)}
            for week in calendar.weeks
        ],
        "closed": [
            {
                "from": closing.first.isoformat(),
                "to": closing.last.isoformat(),
                "why": closing.why,
                "is_estimated": closing.is_estimated,
            }
            for closing in calendar.closings
        ],
        "seasons": [
            {
                "from": season.first.isoformat(),
                "to": season.last.isoformat(),
                "why": season.why,
                "weekly": write_week(season.weekly),
            }
            for season in calendar.seasons
        ],
        "confirmed_years": list(calendar.confirmed_years),
    }


def write_week(week: Week) -> dict[str, list[list[str]]]:
    """Return hours by day, without closed days."""
    days = zip(WEEKDAYS, week, strict=False)
    return {day: [[write_time(opens), write_time(closes)] for opens, closes in hours] for day, hours in days if hours}


def _weeks(
    document: Mapping[str, Any], before: tuple[DatedWeek, ...], today: date, faults: list[Refusal]
) -> tuple[DatedWeek, ...]:
    """Return the weekly hours of a document, as `read_calendar` describes."""
    weekly = _week(document.get("weekly") or {}, "weekly", faults)
    text = document.get("weekly_from")
    first = _checked(text, "weekly_from", _date, faults) if text else (today if before else date.min)
    entries = _entries(document, "weeks", MOST_WEEKS, faults)
    weeks: tuple[DatedWeek, ...] = () if entries else before
    days: set[date] = set()
    for field, entry in entries:
        week = _dated_week(entry, field, faults)
        if week is None:
            continue
        if week.first in days:
            faults.append(Refusal("CALENDAR_WEEKS_SAME_DAY", field=f"{field}.from"))
        days.add(week.first)
        weeks = with_week(weeks, week.first, week.weekly)
    if first is not None and weekly != week_at(before, first) and (weekly or not entries):
        weeks = with_week(weeks, first, weekly)
    if len(weeks) > MOST_WEEKS:
        faults.append(Refusal("CALENDAR_TOO_LONG", field="weeks", given=len(weeks), limit=MOST_WEEKS))
    return weeks


def _dated_week(entry: Any, field: str, faults: list[Refusal]) -> DatedWeek | None:
    if not isinstance(entry, Mapping):
        faults.append(_invalid(field, entry))
        return None
    faults += [_invalid(f"{field}.{key}", key) for key in entry if key not in ("from", "weekly")]
    first = _checked(entry["from"], f"{field}.from", _date, faults) if entry.get("from") else date.min
    weekly = _week(entry.get("weekly") or {}, f"{field}.weekly", faults)
    return DatedWeek(first, weekly) if first is not None else None


def _week(value: Any, field: str, faults: list[Refusal]) -> Week:
    if not isinstance(value, Mapping):
        faults.append(_invalid(field, value))
        return ()
    faults += [_invalid(f"{field}.{day}", day) for day in value if day not in WEEKDAYS]
    week = tuple(_hours(value.get(day, []), f"{field}.{day}", faults) for day in WEEKDAYS)
    if value and not any(week) and not faults:
        faults.append(Refusal("CALENDAR_NEVER_OPEN", field=field))
    return week if any(week) else ()


def _hours(value: Any, field: str, faults: list[Refusal]) -> Hours:
    if not isinstance(value, list | tuple) or len(value) > MOST_INTERVALS:
        faults.append(_invalid(field, value))
        return ()
    hours: list[tuple[int, int]] = []
    for number, interval in enumerate(value):
        try:
            opens, closes = (_minutes(moment) for moment in interval)
        except (TypeError, ValueError):
            opens, closes = 0, 0
        if opens >= closes:
            faults.append(_invalid(f"{field}[{number}]", interval))
        else:
            hours.append((opens, closes))
    hours.sort()
    if any(later[0] < earlier[1] for earlier, later in pairwise(hours)):
        faults.append(Refusal("CALENDAR_HOURS_OVERLAP", field=field))
    return tuple(hours)


def _entries(document: Mapping[str, Any], name: str, most: int, faults: list[Refusal]) -> list[tuple[str, Any]]:
    entries = document.get(name) or []
    if not isinstance(entries, list | tuple):
        faults.append(_invalid(name, entries))
        return []
    if len(entries) > most:
        faults.append(Refusal("CALENDAR_TOO_LONG", field=name, given=len(entries), limit=most))
        return []
    return [(f"{name}[{number}]", entry) for number, entry in enumerate(entries)]


def _closing(entry: Any, field: str, faults: list[Refusal]) -> Closing | None:
    span = _span(entry, field, frozenset({"from", "to", "why", "is_estimated"}), faults)
    return Closing(*span, is_estimated=entry.get("is_estimated") is True) if span else None


def _season(entry: Any, field: str, faults: list[Refusal]) -> Season | None:
    span = _span(entry, field, frozenset({"from", "to", "why", "weekly"}), faults)
    if span is None:
        return None
    weekly = _week(entry.get("weekly") or {}, f"{field}.weekly", faults)
    if not weekly:
        faults.append(Refusal("CALENDAR_NEVER_OPEN", field=f"{field}.weekly"))
    return Season(*span, weekly=weekly)


def _span(entry: Any, field: str, keys: frozenset[str], faults: list[Refusal]) -> tuple[date, date, str] | None:
    """Return the first day, the last day and the reason of an entry; None after a fault."""
    if not isinstance(entry, Mapping):
        faults.append(_invalid(field, entry))
        return None
    earlier_faults = len(faults)
    faults += [_invalid(f"{field}.{key}", key) for key in entry if key not in keys]
    why = entry.get("why") or ""
    if not isinstance(why, str) or len(why) > MOST_WHY_CHARACTERS or any(ord(letter) < 32 for letter in why):
        faults.append(_invalid(f"{field}.why", why))
    first = _checked(entry.get("from"), f"{field}.from", _date, faults)
    last = _checked(entry["to"], f"{field}.to", _date, faults) if entry.get("to") else first
    if first and last and last < first:
        faults.append(Refusal("CALENDAR_DATES_REVERSED", field=field, first=first, last=last))
    elif first and last and (last - first).days >= LONGEST_DAYS:
        faults.append(Refusal("CALENDAR_TOO_LONG", field=field, given=(last - first).days + 1, limit=LONGEST_DAYS))
    return (first, last, why.strip()) if first and last and len(faults) == earlier_faults else None


def _checked(value: Any, field: str, read: Callable[[Any], date], faults: list[Refusal]) -> date | None:
    try:
        return read(value)
    except (TypeError, ValueError):
        faults.append(_invalid(field, value))
        return None


def _date(value: Any) -> date:
    """Read a date. TOML files have their own date type, so the value may be a date already."""
    day = value if isinstance(value, date) and not isinstance(value, datetime) else date.fromisoformat(value)
    if day.year not in YEARS:
        raise ValueError(value)
    return day


def _minutes(value: Any) -> int:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError(value)
    return int(value[:2]) * 60 + int(value[3:])


def write_time(minutes: int) -> str:
    return "24:00" if minutes == MINUTES_A_DAY else f"{minutes // 60:02}:{minutes % 60:02}"


def _invalid(field: str, value: object) -> Refusal:
    return Refusal("CALENDAR_VALUE_INVALID", field=field, given="" if value is None else str(value)[:80])
