"""Calendars: a loan is due when its branch is open, in the zone of the branch."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import Invalid
from services.circulation.calendars import (
    Calendar,
    due,
    hours_of,
    is_open,
    local_date,
    minutes,
    overdue_open_days,
    suspension_days,
    week_at,
    with_week,
)
from services.circulation.calendars.documents import read_calendar, write_calendar

WIB, WITA, WIT = "Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"
OFFICE = [["08:00", "16:00"]]
DOCUMENT = {
    "weekly": {
        **dict.fromkeys(("mon", "tue", "wed", "thu"), OFFICE),
        "fri": [["08:00", "11:30"], ["13:30", "16:00"]],
        "sat": [["09:00", "13:00"]],
    },
    "closed": [
        {"from": "2026-03-18", "to": "2026-03-24", "why": "Nyepi dan Idul Fitri"},
        {"from": "2026-12-24", "to": "2026-12-25", "why": "Natal"},
        {"from": "2027-01-01", "why": "Tahun Baru"},
    ],
    "seasons": [
        {
            "from": "2026-02-18",
            "to": "2026-03-17",
            "why": "Ramadan",
            "weekly": {day: [["08:00", "14:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
        }
    ],
    "confirmed_years": [2026],
}


def branch(zone: str = WIB, **changes: object) -> Calendar:
    return read_calendar({**DOCUMENT, **changes}, zone=zone)


def local(text: str, zone: str = WIB) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def due_of(calendar: Calendar, lent: str, period: int, unit: str = "day", **limits: object):
    values = {"last_due_on": None, "expires_on": None, **limits}
    return due(calendar, lent_at=local(lent, calendar.zone), unit=unit, period=period, **values)


@pytest.mark.parametrize(
    ("lent", "period", "on"),
    [
        ("2026-05-04T09:00", 7, "2026-05-11"),  # a Monday a week later
        ("2026-05-03T09:00", 7, "2026-05-11"),  # Sunday is closed
        ("2026-03-11T09:00", 7, "2026-03-25"),  # Lebaran 2026: closed from the 18th to the 24th
        ("2026-03-13T09:00", 7, "2026-03-25"),  # the 20th, cuti bersama
        ("2026-03-14T09:00", 7, "2026-03-25"),  # the 21st, Idul Fitri
        ("2026-02-14T09:00", 7, "2026-02-23"),  # in Ramadan this branch is closed on Saturdays
        ("2026-12-17T09:00", 7, "2026-12-26"),  # Christmas
        ("2026-12-25T09:00", 7, "2027-01-02"),  # the first of January, over the year's end
        ("2026-12-31T23:30", 7, "2027-01-07"),
    ],
)
@pytest.mark.parametrize("zone", [WIB, WITA, WIT])
def test_a_loan_in_days_is_due_at_the_end_of_an_open_day(zone, lent, period, on):
    result = due_of(branch(zone), lent, period)
    assert result.on == date.fromisoformat(on)
    assert result.at == local(f"{on}T23:59:59", zone).astimezone(UTC)
    assert result.at.tzinfo is UTC
    assert result.days[-1].date == result.on
    assert result.days[-1].is_open


def test_the_same_moment_is_another_day_in_another_zone():
    lent_at = datetime(2026, 5, 4, 15, 30, tzinfo=UTC)  # 22:30 in Padang, 00:30 of the next day in Jayapura
    days = [
        due(branch(zone), lent_at=lent_at, unit="day", period=1, last_due_on=None, expires_on=None).on.day
        for zone in (WIB, WITA, WIT)
    ]
    assert days == [5, 5, 6]


def test_the_days_say_what_moved_the_due_day():
    result = due_of(branch(), "2026-03-16T09:00", 7)
    assert [(day.date.day, day.is_open, day.why) for day in result.days] == [
        (23, False, "Nyepi dan Idul Fitri"),
        (24, False, "Nyepi dan Idul Fitri"),
        (25, True, ""),
    ]


@pytest.mark.parametrize(
    ("lent", "limits", "on"),
    [
        ("2026-05-04T09:00", {"expires_on": date(2026, 5, 8)}, "2026-05-08"),
        ("2026-05-04T09:00", {"last_due_on": date(2026, 5, 8), "expires_on": date(2026, 5, 6)}, "2026-05-06"),
        ("2026-05-04T09:00", {"expires_on": date(2026, 5, 10)}, "2026-05-09"),  # a Sunday: the Saturday before
        ("2026-03-12T09:00", {"expires_on": date(2026, 3, 22)}, "2026-03-17"),  # not after Lebaran
        ("2026-05-04T09:00", {"last_due_on": date(2026, 5, 4)}, "2026-05-04"),
        ("2026-05-04T09:00", {"last_due_on": date(2026, 5, 1)}, "2026-05-11"),  # a semester that has ended
        ("2026-03-19T09:00", {"expires_on": date(2026, 3, 22)}, "2026-03-26"),  # no open day until then
        ("2026-05-04T09:00", {"expires_on": date(2027, 5, 4)}, "2026-05-11"),
    ],
)
def test_a_loan_ends_before_the_card_and_the_semester_do(lent, limits, on):
    assert due_of(branch(), lent, 7, **limits).on == date.fromisoformat(on)


@pytest.mark.parametrize(
    ("lent", "period", "due_at"),
    [
        ("2026-05-04T09:00", 3, "2026-05-04T12:00"),
        ("2026-05-04T14:30", 3, "2026-05-04T16:00"),  # at the latest closing time
        ("2026-05-08T09:00", 3, "2026-05-08T13:30"),  # in the break of Friday: when it opens again
        ("2026-05-08T10:00", 6, "2026-05-08T16:00"),
        ("2026-05-09T12:00", 3, "2026-05-09T13:00"),  # Saturday
        ("2026-05-09T12:00", 30, "2026-05-09T13:00"),  # Sunday is closed
        ("2026-05-04T15:00", 20, "2026-05-05T11:00"),  # overnight
        ("2026-05-04T15:00", 14, "2026-05-04T16:00"),
        ("2026-05-04T17:00", 2, "2026-05-05T08:00"),  # lent after closing time
        ("2026-05-10T10:00", 2, "2026-05-11T08:00"),  # lent on a closed day
        ("2026-02-20T13:00", 3, "2026-02-20T14:00"),  # Ramadan
    ],
)
@pytest.mark.parametrize("zone", [WIB, WITA, WIT])
def test_a_loan_in_hours_is_due_within_opening_hours(zone, lent, period, due_at):
    result = due_of(branch(zone), lent, period, "hour")
    assert result.at == local(due_at, zone)
    assert result.on == local(due_at, zone).date() == result.days[-1].date


def test_a_renewal_counts_from_the_due_day_and_is_limited_from_today():
    values = {"unit": "day", "period": 7, "last_due_on": None}
    now, before = local("2026-05-04T09:00"), local("2026-05-11T23:59:59")
    assert due(branch(), lent_at=now, counts_from=before, expires_on=None, **values).on == date(2026, 5, 18)
    assert due(branch(), lent_at=now, counts_from=before, expires_on=date(2026, 5, 8), **values).on == date(2026, 5, 8)


def test_a_branch_without_hours_is_open_every_day_but_its_closings():
    calendar = branch(weekly={}, seasons=[])
    assert is_open(calendar, date(2026, 5, 3))
    assert minutes(hours_of(calendar, date(2026, 5, 3))) == 1440
    assert due_of(calendar, "2026-03-15T09:00", 7).on == date(2026, 3, 25)
    assert due_of(calendar, "2026-05-03T22:00", 2, "hour").at == local("2026-05-04T00:00")


def test_a_calendar_that_is_closed_for_years_gives_the_day_that_was_asked_for():
    years = [{"from": f"{year}-01-01", "to": f"{year}-12-31", "why": "Pindah"} for year in range(2026, 2031)]
    calendar = branch(closed=years)
    assert due_of(calendar, "2026-05-04T09:00", 7).on == date(2026, 5, 11)
    assert due_of(calendar, "2026-05-04T09:00", 2, "hour").at == local("2026-05-04T11:00")
    assert overdue_open_days(calendar, due_on=date(2026, 5, 4), until=date(2030, 5, 4)) == 0


@pytest.mark.parametrize(
    ("due_on", "until", "days"),
    [
        ("2026-05-11", "2026-05-11", 0),
        ("2026-05-11", "2026-05-09", 0),
        ("2026-05-09", "2026-05-11", 1),  # Sunday does not count
        ("2026-03-17", "2026-03-25", 1),
        ("2026-03-17", "2026-03-27", 3),
    ],
)
def test_only_open_days_are_overdue_days(due_on, until, days):
    assert overdue_open_days(branch(), due_on=date.fromisoformat(due_on), until=date.fromisoformat(until)) == days


@pytest.mark.parametrize(
    ("late", "grace", "cap", "days"),
    [(0, 0, 30, 0), (3, 0, 30, 3), (3, 2, 30, 1), (2, 3, 30, 0), (99, 0, 30, 30), (9, 0, 0, 0)],
)
def test_a_suspension_lasts_the_overdue_days_without_grace_to_its_cap(late, grace, cap, days):
    assert suspension_days(late, grace=grace, cap=cap) == days


def test_open_minutes_leave_out_the_break():
    assert [minutes(hours_of(branch(), date(2026, 5, day))) for day in (7, 8, 9, 10)] == [480, 360, 240, 0]


@pytest.mark.parametrize("zone", ["UTC", WIT, "America/Los_Angeles"])
def test_the_zone_of_the_server_does_not_matter(zone):
    program = (
        "from datetime import UTC, date, datetime\n"
        "from services.circulation.calendars import due\n"
        "from services.circulation.calendars.documents import read_calendar\n"
        "calendar = read_calendar({'weekly': {'tue': [['08:00', '16:00']]}}, zone='Asia/Makassar')\n"
        "lent_at = datetime(2026, 5, 4, 16, 30, tzinfo=UTC)\n"
        "for unit in ('day', 'hour'):\n"
        "    result = due(calendar, lent_at=lent_at, unit=unit, period=9, last_due_on=None, expires_on=None)\n"
        "    print(result.at.isoformat())\n"
    )
    command = [sys.executable, "-c", program]
    output = subprocess.run(command, env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True).stdout
    assert output.split() == ["2026-05-19T15:59:59+00:00", "2026-05-05T01:30:00+00:00"]


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Any calendar with an open day a week and closings of at most three weeks."""
    hours = st.sampled_from([[], OFFICE, [["08:00", "11:30"], ["13:30", "24:00"]], [["00:00", "24:00"]]])
    weekly = {day: draw(hours) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    weekly[draw(st.sampled_from(sorted(weekly)))] = OFFICE
    starts = draw(st.lists(st.dates(date(2026, 1, 1), date(2027, 6, 1)), max_size=4))
    closed = [{"from": day, "to": day + timedelta(days=draw(st.integers(0, 20)))} for day in starts]
    changes = draw(st.dictionaries(st.dates(date(2026, 1, 1), date(2027, 6, 1)), st.sampled_from(["mon", "sun"])))
    weeks = [{"from": "", "weekly": weekly if draw(st.booleans()) else {}}]
    weeks += [{"from": day.isoformat(), "weekly": {**weekly, name: OFFICE}} for day, name in changes.items()]
    document = {"weeks": weeks, "closed": closed}
    return read_calendar(document, zone=draw(st.sampled_from([WIB, WITA, WIT])))


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
LIMITS = st.none() | st.dates(date(2026, 1, 1), date(2027, 6, 1))


@settings(max_examples=300)
@given(calendars(), MOMENTS, st.sampled_from(["day", "hour"]), st.integers(1, 60), LIMITS, LIMITS)
def test_a_due_moment_is_open_after_the_loan_and_within_its_limits(calendar, lent_at, unit, period, last, expires):
    result = due(calendar, lent_at=lent_at, unit=unit, period=period, last_due_on=last, expires_on=expires)
    assert is_open(calendar, result.on)
    assert result.on == local_date(calendar, result.at) == result.days[-1].date
    lent_on = local_date(calendar, lent_at)
    assert result.on >= lent_on
    if unit == "hour":
        at = result.at.astimezone(ZoneInfo(calendar.zone))
        minute = at.hour * 60 + at.minute
        assert any(opens <= minute <= closes for opens, closes in hours_of(calendar, result.on))
    for limit in (last, expires):
        span = range((limit - lent_on).days + 1) if limit is not None and unit == "day" else range(0)
        others = [day for day in (last, expires) if day is not None and day >= lent_on]
        if any(is_open(calendar, lent_on + timedelta(days=number)) for number in span) and limit == min(others):
            assert result.on <= limit


@settings(max_examples=300)
@given(calendars(), MOMENTS, st.sampled_from(["day", "hour"]), st.integers(1, 60), LIMITS)
def test_a_longer_period_is_never_due_earlier(calendar, lent_at, unit, period, last):
    values = {"lent_at": lent_at, "unit": unit, "last_due_on": last, "expires_on": None}
    assert due(calendar, period=period, **values).at <= due(calendar, period=period + 1, **values).at


DAYS = st.dates(date(2026, 1, 1), date(2027, 6, 1))
WEEKS = st.sampled_from([(), (((480, 960),),) * 7, (((480, 960),),) * 6 + ((),), ((),) * 6 + (((540, 780),),)])


@settings(max_examples=300)
@given(calendars(), DAYS, WEEKS, DAYS)
def test_other_weekly_hours_change_no_day_before_their_first_and_none_of_the_coming_hours(calendar, first, week, day):
    weeks = with_week(calendar.weeks, first, week)
    later = min((dated_week.first for dated_week in calendar.weeks if dated_week.first > first), default=date.max)
    assert week_at(weeks, day) == (week if first <= day < later else week_at(calendar.weeks, day))
    assert all(earlier.weekly != other.weekly and earlier.first < other.first for earlier, other in pairwise(weeks))
    assert with_week(weeks, first, week) == weeks


@settings(max_examples=300)
@given(calendars(), DAYS, WEEKS, DAYS, st.integers(0, 60), st.integers(0, 60))
def test_overdue_days_until_a_change_of_hours_stay_and_later_ones_are_added(calendar, first, week, due_on, days, more):
    changed = replace(calendar, weeks=with_week(calendar.weeks, first, week))
    middle, until = due_on + timedelta(days=days), due_on + timedelta(days=days + more)
    before, after = (overdue_open_days(changed, due_on=a, until=b) for a, b in ((due_on, middle), (middle, until)))
    assert overdue_open_days(changed, due_on=due_on, until=until) == before + after
    if until < first:
        assert before + after == overdue_open_days(calendar, due_on=due_on, until=until)


@given(calendars())
def test_a_calendar_is_read_as_it_was_written(calendar):
    assert read_calendar(write_calendar(calendar), zone=calendar.zone) == calendar


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"weekly": {"mon": [["08:00", "12:00"], ["11:00", "16:00"]]}}, {("CALENDAR_HOURS_OVERLAP", "weekly.mon")}),
        ({"weekly": {"mon": [["16:00", "08:00"]]}}, {("CALENDAR_VALUE_INVALID", "weekly.mon[0]")}),
        ({"weekly": {"mon": [["8", "16:00"]]}}, {("CALENDAR_VALUE_INVALID", "weekly.mon[0]")}),
        ({"weekly": {"mon": [["08:00"]]}}, {("CALENDAR_VALUE_INVALID", "weekly.mon[0]")}),
        ({"weekly": {"mon": OFFICE * 7}}, {("CALENDAR_VALUE_INVALID", "weekly.mon")}),
        ({"weekly": {"senin": OFFICE, "mon": OFFICE}}, {("CALENDAR_VALUE_INVALID", "weekly.senin")}),
        ({"weekly": {"mon": []}}, {("CALENDAR_NEVER_OPEN", "weekly")}),
        ({"weekly": [OFFICE]}, {("CALENDAR_VALUE_INVALID", "weekly")}),
        ({"closed": [{"from": "2026-05-02", "to": "2026-05-01"}]}, {("CALENDAR_DATES_REVERSED", "closed[0]")}),
        ({"closed": [{"from": "2026-05-02", "to": "2028-05-01"}]}, {("CALENDAR_TOO_LONG", "closed[0]")}),
        (
            {"closed": [{"from": "1 Mei", "to": "2026-05-01"}, {"from": "2026-05-02", "to": "x"}]},
            {("CALENDAR_VALUE_INVALID", "closed[0].from"), ("CALENDAR_VALUE_INVALID", "closed[1].to")},
        ),
        ({"closed": [{"from": "2026-05-02", "until": 3}]}, {("CALENDAR_VALUE_INVALID", "closed[0].until")}),
        ({"closed": [{"from": "2026-05-02", "why": "x" * 201}]}, {("CALENDAR_VALUE_INVALID", "closed[0].why")}),
        ({"closed": [{"from": "2026-05-02"}] * 501}, {("CALENDAR_TOO_LONG", "closed")}),
        ({"closed": ["2026-05-02"]}, {("CALENDAR_VALUE_INVALID", "closed[0]")}),
        ({"seasons": [{"from": "2026-05-02"}]}, {("CALENDAR_NEVER_OPEN", "seasons[0].weekly")}),
        ({"confirmed_years": [26]}, {("CALENDAR_VALUE_INVALID", "confirmed_years[0]")}),
        ({"holidays": []}, {("CALENDAR_VALUE_INVALID", "holidays")}),
    ],
)  # fmt: skip
def test_a_calendar_is_refused_with_every_fault(changes, faults):
    with pytest.raises(Invalid) as refusal:
        branch(**changes)
    assert {(fault.reason, fault.facts["field"]) for fault in refusal.value.refusals} == faults
