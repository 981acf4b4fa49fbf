"""Policies and calendars through the servicer, on a migrated database with two institutions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.json_format import Parse
from sqlalchemy import insert, select

from chassis.audit import acts
from chassis.bus.outbox import outbox
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Error, Invalid, NotFound, Outdated
from chassis.service import Resources
from chassis.settings import load
from chassis.urls import resolve
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy
from rangkiang.circulation.v1 import rules_pb2 as wire
from rangkiang.circulation.v1.events_pb2 import PoliciesChanged
from rangkiang.circulation.v1.loans_pb2 import PolicyRow
from rangkiang.common.v1.text_pb2 import LocalText
from services.circulation.calendars_store import calendar_of
from services.circulation.institutions import copy_institutions
from services.circulation.policies_store import current_policies
from services.circulation.service import SERVICE
from services.circulation.tables import DailyCount, RefusalCount
from tests.migrated import MigratedDatabases

TEST = system("test")
PKS = UUID("0192f3a4-0000-7000-8000-000000000001")
UNAND = UUID("0192f3a4-0000-7000-8000-000000000002")
PUSAT = UUID("0192f3a4-0000-7000-8000-000000000011")
PAPUA = UUID("0192f3a4-0000-7000-8000-000000000012")
LIMAU = UUID("0192f3a4-0000-7000-8000-000000000021")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Database]:
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        with database.transaction(TEST) as session:
            copy_institutions(
                session,
                [
                    institution(PKS, "PKS", "public", branch(PUSAT, "pusat"), branch(PAPUA, "papua", "Asia/Jayapura")),
                    institution(UNAND, "UNAND", "academic", branch(LIMAU, "limau")),
                ],
            )
        yield database


def institution(institution_id: UUID, code: str, kind: str, *branches: BranchCopy) -> InstitutionCopy:
    names = {"code": code, "name": LocalText(id=code, en=code)}
    return InstitutionCopy(
        id=str(institution_id), version=1, kind=kind, zone="Asia/Jakarta", branches=branches, **names
    )


def branch(branch_id: UUID, code: str, zone: str = "Asia/Jakarta") -> BranchCopy:
    return BranchCopy(id=str(branch_id), code=code, name=LocalText(id=code, en=code), zone=zone)


class Desk:
    """The servicer, called by a manager of one institution."""

    def __init__(self, database: Database, tmp_path: Path, institution_id: UUID = PKS) -> None:
        settings = load({"DATA": str(tmp_path / "var")})
        resources = Resources(settings=settings, database=database, service=SERVICE)
        self.servicer: Any = resolve(SERVICE.rpc)(resources)
        self.context = SimpleNamespace(
            rangkiang=Context(institution=str(institution_id), actor="manager", language="id")
        )

    def __getattr__(self, name: str) -> Any:
        return lambda message: getattr(self.servicer, name)(message, self.context)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path)


@pytest.fixture
def other_desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path, UNAND)


def rows(session: Any, table: Any) -> list[Any]:
    return list(session.execute(select(table)).all())


def test_an_institution_begins_with_the_rules_of_its_kind(desk, other_desk):
    city = desk.GetPolicies(wire.GetPoliciesRequest()).policies
    university = other_desk.GetPolicies(wire.GetPoliciesRequest()).policies
    assert (city.version, city.default_category) == (0, "umum")
    assert (university.version, university.default_category) == (0, "mahasiswa")
    assert city.rows[0].loan_limit == 3
    assert any(row.fine_per_day for row in university.rows)


def test_saved_rules_are_in_force_for_their_institution_alone(desk, other_desk, database):
    policies = desk.GetPolicies(wire.GetPoliciesRequest()).policies
    policies.rows[0].loan_limit = 5
    closed = LocalText(id="Arsip dibaca di sini.", en="The archive is read here.")
    policies.rows.add(branch="PKS/pusat", unit="day", period=7, renew_from="due", not_for_loan_sentence=closed)
    policies.rows[0].last_due_on = "2026-12-18"
    saved = desk.PutPolicies(wire.PutPoliciesRequest(policies=policies)).policies
    assert saved.version == 1
    assert desk.GetPolicies(wire.GetPoliciesRequest()).policies == saved
    assert (saved.rows[0], saved.rows[-1]) == (policies.rows[0], policies.rows[-1])
    # The other rows inherit the latest due date of the widest.
    assert {row.last_due_on for row in saved.rows[1:-1]} == {"2026-12-18"}
    assert other_desk.GetPolicies(wire.GetPoliciesRequest()).policies.version == 0
    with database.reading(TEST) as session:
        assert current_policies(session, PKS).rows[0].last_due_on == date(2026, 12, 18)
        event = session.execute(select(outbox.c.type, outbox.c.body)).one()
        audited = session.execute(select(acts.c.act, acts.c.object, acts.c.facts)).one()
    assert event.type == "rangkiang.circulation.v1.PoliciesChanged"
    changed = Parse(event.body, PoliciesChanged())
    here = {(pair.collection, pair.branch_id): pair.is_read_here_only for pair in changed.read_here_only}
    assert here == {
        ("", ""): False, ("", str(PUSAT)): True, ("closed_stacks", ""): True, ("closed_stacks", str(PUSAT)): True,
        ("reference", ""): True, ("reference", str(PUSAT)): True,
    }  # fmt: skip
    assert (audited.act, audited.object) == ("circulation.save_policies", str(PKS))
    assert '"//","//pusat"' in audited.facts


def test_rules_that_another_manager_has_changed_are_not_overwritten(desk, database):
    policies = desk.GetPolicies(wire.GetPoliciesRequest()).policies
    policies.rows[0].loan_limit = 5
    desk.PutPolicies(wire.PutPoliciesRequest(policies=policies))
    policies.rows[0].loan_limit = 9
    with pytest.raises(Outdated) as refusal:
        desk.PutPolicies(wire.PutPoliciesRequest(policies=policies))
    assert (refusal.value.facts["version"], refusal.value.facts["given"]) == (1, 0)
    assert desk.GetPolicies(wire.GetPoliciesRequest()).policies.rows[0].loan_limit == 5


def test_rules_that_are_saved_again_stay_at_their_version(desk, database):
    policies = desk.GetPolicies(wire.GetPoliciesRequest()).policies
    assert desk.PutPolicies(wire.PutPoliciesRequest(policies=policies)).policies.version == 0
    with database.reading(TEST) as session:
        assert rows(session, outbox) == rows(session, acts) == []


def test_a_dry_run_judges_and_saves_nothing(desk, database):
    policies = desk.GetPolicies(wire.GetPoliciesRequest()).policies
    policies.rows[0].loan_limit = 5
    reply = desk.PutPolicies(wire.PutPoliciesRequest(policies=policies, is_dry_run=True))
    assert (reply.policies.version, reply.policies.rows[0].loan_limit) == (0, 5)
    policies.rows[0].period = 0
    policies.rows[1].branch = "nowhere"
    policies.rows[2].category = "umun"
    with pytest.raises(Invalid) as refusal:
        desk.PutPolicies(wire.PutPoliciesRequest(policies=policies, is_dry_run=True))
    assert [fault.facts["field"] for fault in refusal.value.refusals] == [
        "rows[0].period", "rows[1].branch", "rows[2].category"
    ]  # fmt: skip
    assert desk.GetPolicies(wire.GetPoliciesRequest()).policies.rows[0].loan_limit == 3


def test_a_date_that_is_none_is_refused_by_its_row(desk):
    policies = wire.Policies(rows=[PolicyRow(last_due_on="besok")])
    with pytest.raises(Invalid) as refusal:
        desk.PutPolicies(wire.PutPoliciesRequest(policies=policies))
    assert refusal.value.facts["field"] == "rows[0].last_due_on"


def week(*days: str) -> list[wire.Weekday]:
    return [wire.Weekday(day=day, hours=[wire.Interval(opens="08:00", closes="16:00")]) for day in days]


def test_a_calendar_is_saved_with_its_version(desk, other_desk, database):
    calendar = desk.GetCalendar(wire.GetCalendarRequest(branch="PKS/papua")).calendar
    assert (calendar.version, calendar.zone, list(calendar.weekly)) == (0, "Asia/Jayapura", [])
    calendar.weekly.extend(week("mon", "tue"))
    calendar.closed.append(wire.Closing(**{"from": "2026-03-21", "to": "2026-03-22"}, why="Idul Fitri"))
    calendar.seasons.append(
        wire.Season(**{"from": "2026-02-18", "to": "2026-03-19"}, why="Ramadan", weekly=week("mon"))
    )
    calendar.confirmed_years.append(2026)
    saved = desk.PutCalendar(wire.PutCalendarRequest(calendar=calendar)).calendar
    calendar.version = 1
    calendar.weeks.append(wire.DatedWeek(weekly=week("mon", "tue")))
    assert saved == calendar == desk.GetCalendar(wire.GetCalendarRequest(branch="PKS/papua")).calendar
    assert desk.PutCalendar(wire.PutCalendarRequest(calendar=calendar)).calendar == saved
    calendar.version = 0
    with pytest.raises(Outdated):
        desk.PutCalendar(wire.PutCalendarRequest(calendar=calendar))
    for call in (desk, other_desk):
        with pytest.raises(NotFound):
            call.GetCalendar(wire.GetCalendarRequest(branch="PKS/nowhere" if call is desk else "PKS/papua"))
    with database.reading(TEST) as session:
        assert calendar_of(session, PUSAT).weeks == ()
        audited = session.execute(select(acts.c.act, acts.c.kind, acts.c.object)).one()
    assert tuple(audited) == ("circulation.save_calendar", "calendar", str(PAPUA))


def test_a_calendar_with_faults_is_refused_as_a_whole(desk):
    calendar = wire.Calendar(branch="PKS/pusat", weekly=[*week("mon"), *week("mon"), *week("senin")])
    calendar.closed.append(wire.Closing(**{"from": "2026-03-22", "to": "2026-03-21"}))
    with pytest.raises(Invalid) as refusal:
        desk.PutCalendar(wire.PutCalendarRequest(calendar=calendar))
    assert sorted(fault.facts["field"] for fault in refusal.value.refusals) == [
        "closed[0]", "weekly.mon", "weekly.senin"
    ]  # fmt: skip


def test_the_holidays_of_2026_are_those_of_the_decree(desk):
    closings = desk.ProposeHolidays(wire.ProposeHolidaysRequest(year=2026)).closed
    days = {getattr(closing, "from"): closing for closing in closings}
    assert all(getattr(closing, "from") == closing.to and closing.why for closing in closings)
    # SKB Tiga Menteri: Nyepi on the 19th with the 18th, Idul Fitri on the 21st and 22nd with the 20th, 23rd and 24th.
    assert [day for day in days if day.startswith("2026-03")] == [f"2026-03-{day}" for day in range(18, 25)]
    assert days["2026-03-21"].why == "Hari Raya Idul Fitri"
    assert days["2026-03-20"].why == "Cuti Bersama Hari Raya Idul Fitri"
    assert not any(closing.is_estimated for closing in closings)


def test_a_holiday_by_the_moon_of_a_later_year_is_an_estimate(desk):
    closings = desk.ProposeHolidays(wire.ProposeHolidaysRequest(year=2030)).closed
    estimated = {closing.why: closing.is_estimated for closing in closings}
    assert estimated["Hari Raya Idul Fitri"]
    assert not estimated["Hari Kemerdekaan Republik Indonesia"]
    with pytest.raises(Invalid) as refusal:
        desk.ProposeHolidays(wire.ProposeHolidaysRequest(year=1900))
    assert refusal.value.reason == "CALENDAR_YEAR_INVALID"


def test_branches_are_those_of_the_institution(desk):
    branches = desk.ListBranches(wire.ListBranchesRequest()).branches
    assert [(branch.code, branch.zone) for branch in branches] == [
        ("PKS/papua", "Asia/Jayapura"),
        ("PKS/pusat", "Asia/Jakarta"),
    ]


def daily_count(institution_id: UUID, day: str, kind: str, **values: str) -> dict[str, Any]:
    columns = ("branch", "collection", "ddc_class", "language", "audience", "category", "age_band", "sex", "region")
    given = dict.fromkeys((*columns, "channel"), "") | values
    own = {"id": uuid.uuid4(), "institution_id": institution_id, "date": date.fromisoformat(day), "kind": kind}
    return {**own, **given}


def test_a_report_sums_the_facts_of_its_days(desk, other_desk, database):
    counts = [
        daily_count(PKS, "2026-05-31", "loan", branch="pusat", ddc_class="813"),
        daily_count(PKS, "2026-06-01", "loan", branch="pusat", ddc_class="899.221"),
        daily_count(PKS, "2026-06-01", "renewal", branch="pusat", ddc_class="2X4.1"),
        daily_count(PKS, "2026-06-30", "return", branch="papua"),
        daily_count(PKS, "2026-07-01", "loan", branch="papua"),
        daily_count(UNAND, "2026-06-01", "loan", branch="limau"),
    ]
    refusals = {
        "institution_id": PKS,
        "date": date(2026, 6, 2),
        "branch": "pusat",
        "reason": "ITEM_ON_LOAN",
        "count": 3,
    }
    with database.transaction(TEST) as session:
        session.execute(insert(DailyCount), counts)
        session.execute(insert(RefusalCount), [refusals])

    def report(
        by: str, first: str = "2026-06-01", last: str = "2026-06-30", of: Desk = desk
    ) -> dict[str, tuple[int, ...]]:
        counts = of.ReportLending(wire.ReportLendingRequest(**{"from": first, "to": last, "by": by})).counts
        return {row.value: (row.loans, row.renewals, row.returns, row.refusals) for row in counts}

    assert report("branch") == {"PKS/papua": (0, 0, 1, 0), "PKS/pusat": (1, 1, 0, 3)}
    assert report("class") == {"": (0, 0, 1, 0), "2X4.1": (0, 1, 0, 0), "800": (1, 0, 0, 0)}
    assert report("month", "2026-05-01", "2026-06-30") == {"2026-05": (1, 0, 0, 0), "2026-06": (1, 1, 1, 3)}
    assert report("branch", of=other_desk) == {"UNAND/limau": (1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"from": "2026-01-01", "to": "2026-01-02", "by": "member"}, "REPORT_COLUMN_UNKNOWN"),
        ({"from": "2026-01-02", "to": "2026-01-01", "by": "branch"}, "REPORT_DAYS_INVALID"),
        ({"from": "1900-01-01", "to": "2026-01-01", "by": "branch"}, "REPORT_DAYS_INVALID"),
        ({"from": "", "to": "2026-01-01", "by": "branch"}, "REPORT_DAYS_INVALID"),
    ],
)
def test_a_report_without_sense_is_refused(desk, values, reason):
    with pytest.raises(Error) as refusal:
        desk.ReportLending(wire.ReportLendingRequest(**values))
    assert refusal.value.reason == reason
