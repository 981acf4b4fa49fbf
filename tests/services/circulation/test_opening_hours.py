"""Opening hours for readers: each branch in its zone, on a fixed clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from chassis import clock
from chassis.context import READER, Context, system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from chassis.service import Resources
from chassis.settings import load
from chassis.urls import resolve
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy
from rangkiang.circulation.v1 import rules_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText
from services.circulation.calendars_store import save_calendar
from services.circulation.institutions import copy_institutions
from services.circulation.service import SERVICE
from services.circulation.tables import Branch
from tests.migrated import MigratedDatabases

TEST = system("test")
WIB, WITA, WIT = "Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"
ZONES = {"solok": WIB, "makassar": WITA, "jayapura": WIT, "keliling": WIB, "kosong": WIB}
OFFICE = [["08:00", "16:00"]]
CALENDAR = {
    "weekly": {
        **dict.fromkeys(("mon", "tue", "wed", "thu"), OFFICE),
        "fri": [["08:00", "11:30"], ["13:30", "16:00"]],
        "sat": [["20:00", "24:00"]],
    },
    "closed": [{"from": "2026-03-19", "to": "2026-03-24", "why": "Nyepi dan Idul Fitri", "is_estimated": True}],
    "seasons": [{"from": "2026-02-18", "to": "2026-03-18", "why": "Ramadan", "weekly": {"wed": [["08:00", "14:00"]]}}],
}
VISITS = {"weekly": {"tue": [["09:00", "12:00"]], "sat": [["08:00", "11:00"]]}}


class Library:
    """The servicer, called by a reader."""

    def __init__(self, database: Database, tmp_path: Path) -> None:
        self.database = database
        settings = load({"DATA": str(tmp_path / "var")})
        self.servicer: Any = resolve(SERVICE.rpc)(Resources(settings=settings, database=database, service=SERVICE))

    def hours(self, *, institution: str = "PKS", **request: Any) -> wire.ListOpeningHoursReply:
        context = SimpleNamespace(rangkiang=READER)
        message = wire.ListOpeningHoursRequest(institution=institution, **request)
        reply: wire.ListOpeningHoursReply = self.servicer.ListOpeningHours(message, context)
        return reply

    def days(self, branch: str, **request: Any) -> list[tuple[str, list[str]]]:
        (hours,) = self.hours(branches=[branch], **request).branches
        return [(day.date, [f"{span.opens}-{span.closes}" for span in day.hours]) for day in hours.days]

    def close(self, code: str, document: dict[str, Any], version: int) -> None:
        with self.database.transaction(TEST) as session:
            branch = session.query(Branch).filter(Branch.code == code).one()
            caller = Context(institution=str(branch.institution_id), actor="manager")
            save_calendar(session, branch, version=version, document=document, context=caller)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def library(request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Library]:
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        with database.transaction(TEST) as session:
            copy_institutions(session, [_institution(1, "PKS", ZONES), _institution(2, "UNAND", {"limau": WIB})])
        library = Library(database, tmp_path)
        for code in ("solok", "makassar", "jayapura"):
            library.close(code, CALENDAR, 0)
        library.close("keliling", VISITS, 0)
        yield library


def _institution(number: int, code: str, branches: dict[str, str]) -> InstitutionCopy:
    return InstitutionCopy(
        id=str(UUID(int=number)),
        code=code,
        version=1,
        kind="public",
        zone=WIB,
        name=LocalText(id=code, en=code),
        branches=[
            BranchCopy(id=str(UUID(int=number * 100 + place)), code=name, name=LocalText(id=name, en=name), zone=zone)
            for place, (name, zone) in enumerate(branches.items())
        ],
    )


def at(text: str, zone: str = WIB) -> Any:
    return clock.frozen(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def test_a_week_begins_today_and_names_closed_days_with_their_reason(library):
    with at("2026-03-13T09:00"):
        (hours,) = library.hours(branches=["solok"]).branches
    assert (hours.institution, hours.branch, hours.zone, hours.has_hours) == ("PKS", "PKS/solok", WIB, True)
    assert [day.date for day in hours.days] == [f"2026-03-{day}" for day in range(13, 20)]
    assert [(day.season, [span.closes for span in day.hours]) for day in hours.days if day.hours] == [
        ("Ramadan", ["14:00"])
    ]
    assert not hours.days[0].is_closed, "a day without hours is no closing"
    assert (hours.days[-1].is_closed, hours.days[-1].why, hours.days[-1].is_estimated) == (
        True,
        "Nyepi dan Idul Fitri",
        True,
    )


def test_friday_has_a_break_and_a_day_may_last_until_midnight(library):
    with at("2026-05-08T12:00"):
        assert library.days("solok", days=2) == [
            ("2026-05-08", ["08:00-11:30", "13:30-16:00"]),
            ("2026-05-09", ["20:00-24:00"]),
        ]


@pytest.mark.parametrize(
    ("moment", "solok", "makassar", "jayapura"),
    [
        ("2026-05-07T21:59", "2026-05-07", "2026-05-07", "2026-05-07"),
        ("2026-05-07T22:00", "2026-05-07", "2026-05-07", "2026-05-08"),  # midnight in Jayapura
        ("2026-05-07T23:00", "2026-05-07", "2026-05-08", "2026-05-08"),  # and in Makassar
        ("2026-05-08T00:00", "2026-05-08", "2026-05-08", "2026-05-08"),
    ],
)
def test_today_is_that_of_the_branch(library, moment, solok, makassar, jayapura):
    with at(moment):
        first = {branch.branch: branch.days[0].date for branch in library.hours(days=1).branches}
    assert (first["PKS/solok"], first["PKS/makassar"], first["PKS/jayapura"]) == (solok, makassar, jayapura)


def test_a_mobile_branch_is_open_at_its_visits(library):
    with at("2026-05-04T09:00"):
        assert [day for day in library.days("keliling") if day[1]] == [
            ("2026-05-05", ["09:00-12:00"]),
            ("2026-05-09", ["08:00-11:00"]),
        ]


def test_a_branch_without_hours_says_so(library):
    with at("2026-05-04T09:00"):
        (hours,) = library.hours(branches=["kosong"]).branches
        assert not hours.has_hours
        assert not any(day.hours for day in hours.days)
        library.close("kosong", {"closed": [{"from": "2026-05-04", "why": "Listrik padam"}]}, 0)
        (hours,) = library.hours(branches=["kosong"]).branches
    assert not hours.has_hours
    assert [day.why for day in hours.days if day.is_closed] == ["Listrik padam"]


def test_an_emergency_closing_shows_at_once(library):
    with at("2026-05-04T09:00"):
        assert library.days("solok", days=1) == [("2026-05-04", ["08:00-16:00"])]
        library.close("solok", {**CALENDAR, "closed": [{"from": "2026-05-04", "why": "Banjir"}]}, 1)
        assert library.days("solok", days=1) == [("2026-05-04", [])]


def test_days_begin_where_the_caller_says(library):
    assert library.days("solok", **{"from": "2026-03-25"}, days=1) == [("2026-03-25", ["08:00-16:00"])]


@pytest.mark.parametrize(
    ("request_values", "error", "reason"),
    [
        ({"days": 15}, Invalid, "HOURS_DAYS_INVALID"),
        ({"days": -1}, Invalid, "HOURS_DAYS_INVALID"),
        ({"from": "besok"}, Invalid, "HOURS_DAY_INVALID"),
        ({"from": "9999-12-31"}, Invalid, "HOURS_DAY_INVALID"),
        ({"branches": [str(number) for number in range(101)]}, Invalid, "HOURS_TOO_MANY_BRANCHES"),
        ({"branches": ["limau"]}, NotFound, "BRANCH_UNKNOWN"),
        ({"institution": "XX"}, NotFound, "HOURS_INSTITUTION_UNKNOWN"),
    ],
)
def test_wrong_requests_are_refused(library, request_values, error, reason):
    with pytest.raises(error) as refusal:
        library.hours(**request_values)
    assert refusal.value.reason == reason


def test_more_than_a_hundred_branches_come_in_pages(library):
    with library.database.transaction(TEST) as session:
        copy_institutions(session, [_institution(3, "BESAR", {f"b{number:03}": WIB for number in range(150)})])
    first = library.hours(institution="BESAR", days=1)
    second = library.hours(institution="BESAR", days=1, cursor=first.cursor)
    assert [len(first.branches), len(second.branches)] == [100, 50]
    assert (first.cursor, second.cursor) == ("b099", "")
