"""Opening hours in words, on a fixed clock, in the zone of each branch."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chassis import clock
from gateway.opening_hours import Day, OpeningHours
from gateway.web.hours import now_in_words, week

WIB, WITA, WIT = "Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"
OFFICE = (("08:00", "16:00"),)
FRIDAY = (("08:00", "11:30"), ("13:30", "16:30"))
MONDAY = date(2026, 5, 4)


def branch(*hours: tuple[tuple[str, str], ...], zone: str = WIB, **days: Day) -> OpeningHours:
    """Make a branch whose days begin on Monday, 4 May 2026; a week of offices without hours."""
    spans = hours or (OFFICE,) * 4 + (FRIDAY,) + ((("09:00", "13:00"),), ()) + (OFFICE,) * 4 + (FRIDAY, (), ())
    return OpeningHours(
        zone=zone,
        has_hours=any(spans),
        days=tuple(
            days.get(f"day{number}") or Day(MONDAY + timedelta(days=number), span) for number, span in enumerate(spans)
        ),
    )


def said(hours: OpeningHours, moment: str, *, language: str = "id", kind: str = "", zone: str = WIB) -> str:
    with clock.frozen(datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))):
        now = now_in_words(hours, language, kind)
    return "" if now is None else f"{'+' if now.is_open else '-'} {now.long}"


@pytest.mark.parametrize(
    ("moment", "indonesian", "english"),
    [
        ("2026-05-04T14:00", "+ Buka hari ini 08.00–16.00 · tutup 2 jam lagi",
         "+ Open today 08:00–16:00 · closes in 2 hours"),
        ("2026-05-04T15:59:40", "+ Buka hari ini 08.00–16.00 · tutup 1 menit lagi",
         "+ Open today 08:00–16:00 · closes in 1 minute"),
        ("2026-05-04T16:00", "- Tutup · buka lagi besok 08.00", "- Closed · opens tomorrow at 08:00"),
        ("2026-05-04T07:20", "- Buka hari ini 08.00–16.00 · buka 40 menit lagi",
         "- Open today 08:00–16:00 · opens in 40 minutes"),
        ("2026-05-04T05:00", "- Tutup · buka lagi pukul 08.00", "- Closed · opens at 08:00"),
        # The break of Friday.
        ("2026-05-08T10:15", "+ Buka hari ini 08.00–11.30, 13.30–16.30 · istirahat 1 jam lagi",
         "+ Open today 08:00–11:30, 13:30–16:30 · break in 1 hour"),
        ("2026-05-08T12:00", "- Istirahat · buka lagi pukul 13.30", "- On a break · opens at 13:30"),
        ("2026-05-08T15:45", "+ Buka hari ini 08.00–11.30, 13.30–16.30 · tutup 45 menit lagi",
         "+ Open today 08:00–11:30, 13:30–16:30 · closes in 45 minutes"),
        # Sunday, and the day after a weekend.
        ("2026-05-09T18:00", "- Tutup · buka lagi Senin 08.00", "- Closed · opens Monday at 08:00"),
        ("2026-05-10T09:00", "- Tutup hari ini · buka lagi besok 08.00", "- Closed today · opens tomorrow at 08:00"),
    ],
)  # fmt: skip
def test_a_branch_says_until_when_it_is_open_or_closed(moment, indonesian, english):
    assert said(branch(), moment) == indonesian
    assert said(branch(), moment, language="en") == english


@pytest.mark.parametrize(
    ("moment", "wib", "wita", "wit"),
    [
        ("2026-05-04T13:59", "+", "+", "+"),
        ("2026-05-04T14:00", "+", "+", "-"),  # 16.00 in Jayapura
        ("2026-05-04T15:00", "+", "-", "-"),
        ("2026-05-04T16:00", "-", "-", "-"),
    ],
)
def test_a_branch_closes_by_the_time_of_its_zone(moment, wib, wita, wit):
    assert [said(branch(zone=zone), moment)[0] for zone in (WIB, WITA, WIT)] == [wib, wita, wit]


@pytest.mark.parametrize(
    ("moment", "wib", "wit"),
    [
        ("2026-05-04T21:59", "besok 08.00", "besok 08.00"),
        ("2026-05-04T22:00", "besok 08.00", "pukul 08.00"),  # midnight in Jayapura
        ("2026-05-05T00:00", "pukul 08.00", "pukul 08.00"),
    ],
)
def test_tomorrow_begins_at_midnight_of_the_branch(moment, wib, wit):
    assert said(branch(zone=WIB), moment) == f"- Tutup · buka lagi {wib}"
    assert said(branch(zone=WIT), moment) == f"- Tutup · buka lagi {wit}"


def test_hours_over_midnight_are_one_opening():
    evening = branch((("20:00", "24:00"),), (("00:00", "02:00"), ("20:00", "24:00")), ())
    assert said(evening, "2026-05-04T23:00") == "+ Buka hari ini 20.00–24.00 · tutup 3 jam lagi"
    assert said(evening, "2026-05-05T01:30") == "+ Buka hari ini 00.00–02.00, 20.00–24.00 · istirahat 30 menit lagi"
    assert said(evening, "2026-05-05T23:30") == "+ Buka hari ini 00.00–02.00, 20.00–24.00 · tutup 30 menit lagi"


def test_a_branch_that_never_closes_counts_no_hours():
    always = branch(*(((("00:00", "24:00"),),) * 14))
    assert said(always, "2026-05-05T03:00") == "+ Buka hari ini 24 jam"


def test_a_mobile_branch_has_visits():
    visits = branch((), (("09:00", "12:00"),), (), (), (), (("08:00", "11:00"),), ())
    assert said(visits, "2026-05-04T09:00", kind="mobile") == "- Kunjungan berikutnya besok 09.00"
    assert said(visits, "2026-05-05T10:00", kind="mobile") == "+ Kunjungan hari ini 09.00–12.00 · berangkat 2 jam lagi"
    assert said(visits, "2026-05-05T13:00", kind="mobile") == "- Kunjungan berikutnya Sabtu 08.00"
    assert said(visits, "2026-05-05T13:00", kind="mobile", language="en") == "- Next visit Saturday at 08:00"


def test_a_closing_says_its_name_and_when_the_branch_opens_again():
    closed = Day(MONDAY, is_closed=True, why="Listrik padam")
    assert said(branch(day0=closed), "2026-05-04T10:00") == "- Tutup: Listrik padam · buka lagi besok 08.00"
    guess = Day(MONDAY, is_closed=True, why="Idul Adha", is_estimated=True)
    assert said(branch(day0=guess), "2026-05-04T10:00", language="en") == (
        "- Closed: Idul Adha (estimated) · opens tomorrow at 08:00"
    )


def test_a_long_closing_names_the_date_of_the_next_opening():
    closed = {
        f"day{number}": Day(MONDAY + timedelta(days=number), is_closed=True, why="Lebaran") for number in range(9)
    }
    assert said(branch(**closed), "2026-05-04T10:00") == "- Tutup: Lebaran · buka lagi Rabu, 13 Mei 08.00"
    all_closed = {
        f"day{number}": Day(MONDAY + timedelta(days=number), is_closed=True, why="Renovasi") for number in range(14)
    }
    assert said(branch(**all_closed), "2026-05-04T10:00") == "- Tutup: Renovasi"


def test_a_branch_without_hours_says_nothing_but_its_closing():
    empty = OpeningHours(WIB, has_hours=False, days=(Day(MONDAY), Day(MONDAY + timedelta(days=1))))
    assert said(empty, "2026-05-04T10:00") == ""
    flooded = OpeningHours(WIB, has_hours=False, days=(Day(MONDAY, is_closed=True, why="Banjir"),))
    assert said(flooded, "2026-05-04T10:00") == "- Tutup: Banjir"
    with clock.frozen(datetime(2026, 5, 4, 10, tzinfo=ZoneInfo(WIB))):
        assert week(empty, "id") == []


def test_the_week_begins_today_and_names_seasons_and_closings():
    ramadan = Day(MONDAY + timedelta(days=1), (("08:00", "14:00"),), season="Ramadan")
    holiday = Day(MONDAY + timedelta(days=2), is_closed=True, why="Nyepi")
    with clock.frozen(datetime(2026, 5, 5, 6, tzinfo=ZoneInfo(WIB))):
        days = week(branch(day1=ramadan, day2=holiday), "id")
    assert len(days) == 7
    assert (days[0]["name"], days[0]["hours"], days[0]["season"], days[0]["is_today"]) == (
        "Selasa", "08.00–14.00", "Ramadan", True,
    )  # fmt: skip
    assert (days[1]["hours"], days[1]["why"]) == ("Tutup", "Nyepi")
