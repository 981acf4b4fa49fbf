"""Weekly hours have a first day: other hours from today on change nothing that is counted for a past day."""

from __future__ import annotations

import json
import threading
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from chassis.bus.outbox import outbox
from chassis.errors import Invalid
from chassis.service import Resources
from rangkiang.circulation.v1 import loans_pb2, rules_pb2
from services.circulation.calendars import is_open
from services.circulation.calendars_store import calendar_of, save_calendar
from services.circulation.jobs import keep_open_days, remind
from services.circulation.service import SERVICE
from services.circulation.tables import Branch, BranchCalendar, BranchDay
from tests.migrated import every_row
from tests.services.circulation.library import BRANCHES, TEST, at

OFFICE = [["08:00", "16:00"]]
SIX_DAYS = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat"), OFFICE)
SUNDAYS_TOO = {**SIX_DAYS, "sun": OFFICE}
LENT, RETURNED = "2026-03-02T09:00:00+07:00", "2026-03-24T09:00:00+07:00"  # due on the 9th; two Sundays since then


@pytest.fixture(autouse=True)
def monday():
    with at(LENT):
        yield


def save(library, document: dict[str, Any]) -> None:
    with library.database.transaction(TEST) as session:
        branch = session.get_one(Branch, BRANCHES["pusat"])
        version = calendar_of(session, branch.id).version
        save_calendar(session, branch, version=version, document=document, context=library.context)


def stored(library):
    with library.database.reading(TEST) as session:
        return calendar_of(session, BRANCHES["pusat"])


def overdue_loan(library) -> str:
    """Lend an item to a member of the public before the branch has hours on Sundays."""
    save(library, {"weekly": SIX_DAYS})
    item = library.item()
    library.check_out(library.member(), item)
    return item


def test_opening_sundays_today_leaves_the_days_of_an_overdue_loan_as_they_were(library):
    item = overdue_loan(library)
    with at(RETURNED):
        save(library, {"weekly": SUNDAYS_TOO})
        (loan,) = library.call("ListLoans", loans_pb2.ListLoansRequest(is_overdue=True)).loans
        assert loan.overdue_days == 13
        returned = library.check_in(item)
    assert [note.reason for note in returned.notes] == ["RETURNED_LATE"]
    assert returned.suspension.days == 13


def test_a_sunday_counts_from_the_first_day_of_its_hours_on(library):
    item = overdue_loan(library)
    save(library, {"weekly": SUNDAYS_TOO, "weekly_from": "2026-03-20"})
    with at(RETURNED):
        assert library.check_in(item).suspension.days == 14, "the 22nd was open, the 15th was closed"


def test_a_first_day_that_has_passed_corrects_what_is_counted(library):
    item = overdue_loan(library)
    with at(RETURNED):
        save(library, {"weekly": SUNDAYS_TOO, "weekly_from": "2026-03-10"})
        assert library.check_in(item).suspension.days == 15


def test_reminders_count_the_open_days_of_the_hours_of_each_day(library):
    overdue_loan(library)
    with at("2026-03-15T09:00:00+07:00"):
        save(library, {"weekly": SUNDAYS_TOO})
    with at("2026-03-16T20:00:00+07:00"):
        remind(Resources(library.settings, library.database, SERVICE), threading.Event())
    bodies = library.execute(select(outbox.c.body).where(outbox.c.type.like("%LoanOverdue")))
    assert [json.loads(row.body)["open_days"] for row in bodies] == [7], "the Sunday on which they began counts"


def test_open_minutes_of_days_before_the_change_are_those_of_the_hours_then(library):
    save(library, {"weekly": SIX_DAYS})
    with at("2026-03-06T09:00:00+07:00"):
        keep_open_days(Resources(library.settings, library.database, SERVICE), threading.Event())
    with at("2026-03-17T09:00:00+07:00"):
        save(library, {"weekly": SUNDAYS_TOO | {"mon": [["08:00", "12:00"]]}})
        keep_open_days(Resources(library.settings, library.database, SERVICE), threading.Event())
    days = {day.date.day: day.open_minutes for day in library.rows(BranchDay, BranchDay.branch_id == BRANCHES["pusat"])}
    assert {day: days[day] for day in (5, 8, 14, 15, 16)} == {5: 480, 8: 0, 14: 480, 15: 0, 16: 480}


def test_coming_hours_move_due_dates_and_can_be_removed(library):
    save(library, {"weekly": SIX_DAYS})
    loan = library.check_out(library.member(), library.item()).loan
    assert loan.due_on == "2026-03-09"
    request = rules_pb2.GetCalendarRequest(branch="PKS/pusat")
    calendar = library.call("GetCalendar", request).calendar
    today = list(calendar.weekly)
    del calendar.weekly[0]
    calendar.weekly_from = "2026-03-08"
    saved = library.call("PutCalendar", rules_pb2.PutCalendarRequest(calendar=calendar))
    assert [(moved_loan.loan_id, moved_loan.due_on) for moved_loan in saved.moved] == [(loan.id, "2026-03-10")]
    assert list(saved.calendar.weekly) == today, "the hours of today"
    assert [getattr(week, "from") for week in saved.calendar.weeks] == ["", "2026-03-08"]
    with at("2026-03-08T00:00:00+07:00"):
        assert len(library.call("GetCalendar", request).calendar.weekly) == len(today) - 1
    saved.calendar.weeks.pop()
    again = library.call("PutCalendar", rules_pb2.PutCalendarRequest(calendar=saved.calendar)).calendar
    assert [getattr(week, "from") for week in again.weeks] == [""]


def test_a_client_that_knows_one_week_changes_no_past_day_and_no_coming_hours(library):
    save(library, {"weekly": SIX_DAYS})
    save(library, {"weekly": SUNDAYS_TOO, "weekly_from": "2026-04-01"})
    save(library, {"weekly": {"mon": OFFICE}, "closed": [{"from": "2026-05-01", "why": "Hari Buruh"}]})
    calendar = stored(library)
    days = ("2026-02-28", "2026-03-02", "2026-03-03", "2026-04-05")
    assert [is_open(calendar, date.fromisoformat(day)) for day in days] == [True, True, False, True]
    save(library, {"weekly": {"mon": OFFICE}})
    assert stored(library).weeks == calendar.weeks
    assert not stored(library).closings


def test_the_release_before_can_read_what_is_stored(library):
    save(library, {"weekly": SIX_DAYS})
    save(library, {"weekly": SUNDAYS_TOO, "weekly_from": "2026-04-01"})
    with library.database.reading(TEST) as session:
        document = json.loads(session.execute(every_row("branch_calendars")).one().document)
    assert document == {"weekly": SIX_DAYS, "closed": [], "seasons": [], "confirmed_years": []}


def test_seasons_that_overlap_are_refused_with_both_names_and_days(library):
    season = {"from": "2026-02-18", "to": "2026-03-19", "why": "Ramadan", "weekly": SIX_DAYS}
    other = {"from": "2026-03-19", "to": "2026-03-31", "why": "Libur semester", "weekly": SIX_DAYS}
    with pytest.raises(Invalid) as refusal:
        save(library, {"seasons": [season, {**other, "from": "2026-06-01", "to": "2026-06-30"}, other]})
    (fault,) = refusal.value.refusals
    assert (fault.reason, fault.facts["field"]) == ("CALENDAR_SEASONS_OVERLAP", "seasons[2].from")
    assert fault.sentence.id == (
        "Periode “Libur semester” (19 Maret 2026 sampai 31 Maret 2026) dan “Ramadan” (18 Februari 2026 sampai "
        "19 Maret 2026) punya hari yang sama. Ubah tanggal salah satunya."
    )
    assert fault.sentence.en == (
        "The seasons “Libur semester” (19 March 2026 to 31 March 2026) and “Ramadan” (18 February 2026 to "
        "19 March 2026) have days in common. Change the dates of one of them."
    )
    save(library, {"seasons": [season, {**other, "from": "2026-03-20"}]})
    assert len(stored(library).seasons) == 2


def test_a_calendar_that_was_stored_with_overlapping_seasons_is_still_read(library):
    season = {"from": "2026-02-18", "to": "2026-03-19", "why": "Ramadan", "weekly": {"mon": OFFICE}}
    save(library, {"seasons": [season]})
    document = {"seasons": [season, {**season, "weekly": {"tue": OFFICE}}]}
    with library.database.transaction(TEST) as session:
        session.execute(update(BranchCalendar).values(version=2, document=json.dumps(document)))
    assert [is_open(stored(library), date(2026, 3, day)) for day in (2, 3)] == [False, True]


def test_two_weeks_of_one_first_day_and_a_first_day_that_is_none_are_refused(library):
    weeks = [{"from": "2026-04-01", "weekly": SIX_DAYS}, {"from": "2026-04-01", "weekly": {"mon": OFFICE}}]
    with pytest.raises(Invalid) as refusal:
        save(library, {"weeks": [*weeks, {"from": "besok", "weekly": {"mon": [["16:00", "08:00"]]}}, 7]})
    assert {(fault.reason, fault.facts["field"]) for fault in refusal.value.refusals} == {
        ("CALENDAR_WEEKS_SAME_DAY", "weeks[1].from"),
        ("CALENDAR_VALUE_INVALID", "weeks[2].from"),
        ("CALENDAR_VALUE_INVALID", "weeks[2].weekly.mon[0]"),
        ("CALENDAR_VALUE_INVALID", "weeks[3]"),
    }
    with pytest.raises(Invalid) as refusal:
        save(library, {"weekly": SIX_DAYS, "weekly_from": "1 April"})
    assert refusal.value.facts["field"] == "weekly_from"


def test_hours_can_change_two_hundred_times(library):
    weeks = [
        {"from": (date(2026, 1, 1) + timedelta(days=number)).isoformat(), "weekly": SUNDAYS_TOO if number % 2 else {}}
        for number in range(1, 201)
    ]
    save(library, {"weeks": weeks})
    assert len(stored(library).weeks) == 200
    with pytest.raises(Invalid) as refusal:
        save(library, {"weekly": {"mon": OFFICE}, "weekly_from": "2027-01-01"})
    assert refusal.value.reason == "CALENDAR_TOO_LONG"
