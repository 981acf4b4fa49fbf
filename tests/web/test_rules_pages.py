"""Pages of lending rules and calendars: edited without JavaScript, refused beside each field, accessible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from chassis import clock
from chassis.models import choices
from chassis.sentences import LocalText as Sentence
from gateway.api.policies import MOST_NUMBER, MOST_ROWS
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy, ItemCopy
from rangkiang.circulation.v1 import rules_pb2 as wire
from rangkiang.common.v1.options_pb2 import json
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.members.v1.events_pb2 import MemberCopy
from services.circulation.borrowers import copy_members
from services.circulation.calendars.documents import write_calendar
from services.circulation.calendars_store import calendar_of, save_calendar
from services.circulation.copies import copy_items
from services.circulation.institutions import copy_institutions
from services.circulation.policies import row_for, write_rows
from services.circulation.policies_store import current_policies, save_policies
from services.circulation.tables import Branch, Loan
from tests.fakes.accounts import PASSWORD, TEST, add_institution, add_staff, new_user
from tests.fakes.running import running
from tests.web.accessibility import (
    check_accessibility,
    take_session,
)
from tests.web.conftest import PHONE, Visit
from tests.web.visitors import Visitor, visitor

# An institution of its own: other tests of pages lend, and have branches, at PKS.
DINAS, PUSAT, MOBIL = UUID(int=0xA7), UUID(int=0xB7), UUID(int=0xB8)
CALENDAR = "/desk/calendars/DINAS/pusat"
MOST_CLOSINGS, MOST_SEASONS, MOST_YEARS = (
    wire.Calendar.DESCRIPTOR.fields_by_name[name].GetOptions().Extensions[json].max_items
    for name in ("closed", "seasons", "confirmed_years")
)
MOST_INTERVALS = wire.Weekday.DESCRIPTOR.fields_by_name["hours"].GetOptions().Extensions[json].max_items


@pytest.fixture(scope="module")
def _branches(address: str) -> None:
    branches = [
        BranchCopy(id=str(PUSAT), code="pusat", name=LocalText(id="Perpustakaan Pusat"), zone="Asia/Jakarta"),
        BranchCopy(id=str(MOBIL), code="keliling", name=LocalText(id="Mobil"), zone="Asia/Jayapura"),
    ]
    name = LocalText(id="DINAS", en="DINAS")
    copy = InstitutionCopy(
        id=str(DINAS), version=1, code="DINAS", name=name, kind="public", zone="Asia/Jakarta", branches=branches
    )
    add_institution(DINAS, "DINAS")
    with running["circulation"].database.transaction(TEST) as session:
        copy_institutions(session, [copy])


@pytest.fixture(scope="module")
def manager(address: str, _branches: None) -> Iterator[Visitor]:
    with visitor(address) as manager:
        assert manager.sign_in(add_staff(new_user("manager"), "manager", institution=DINAS)).status_code == 303
        yield manager


def policies():
    with running["circulation"].database.reading(TEST) as session:
        return current_policies(session, DINAS)


def calendar():
    with running["circulation"].database.reading(TEST) as session:
        return calendar_of(session, PUSAT)


def errors(page) -> dict[str, str]:
    """What stands beside the fields, by their names."""
    return {element.get("id"): element.text_content() for element in page.xpath("//span[@class='error']")}


def test_rules_are_checked_changed_and_saved(manager: Visitor) -> None:
    manager.open("/desk/policies")
    assert (
        "1. All categories · All collections · All branches Loan limit: 3; Loan period: 7 days; Renewal limit: 1"
        in manager.text
    )
    manager.send("/desk/policies", {"rows[0].loan_limit": "4", "act": "check"})
    assert "No mistakes were found" in manager.text
    assert "of the 0 loans of the last 90 days, 0 would be refused" in manager.text
    assert policies().version == 0
    manager.send("/desk/policies", {"rows[0].loan_limit": "4"})
    assert "The rules are saved" in manager.text
    assert (policies().version, policies().rows[0].loan_limit) == (1, 4)


def test_a_row_is_added_and_removed(manager: Visitor) -> None:
    manager.open("/desk/policies")
    count = len(policies().rows)
    manager.send("/desk/policies", {"act": "add"})
    new = f"rows[{count}]"
    assert manager.page.xpath(f"//details[.//*[@id='{new}.period']]/@open")
    manager.send("/desk/policies", {f"{new}.collection": "audiovisual", f"{new}.period": "3"})
    assert policies().rows[count].collection == "audiovisual"
    manager.send("/desk/policies", {f"{new}.remove": "1"})
    assert len(policies().rows) == count


def test_children_are_one_row_and_an_earlier_version_is_compared_and_restored(manager: Visitor) -> None:
    manager.open("/desk/policies")
    before = policies()
    manager.send("/desk/policies", {"act": "add"})
    new = f"rows[{len(before.rows)}]"
    values = {f"{new}.category": "anak", f"{new}.loan_limit": "2", f"{new}.period": "14"}
    manager.send("/desk/policies", values)
    assert "The rules are saved" in manager.text
    child = row_for(policies().rows, category="anak", collection="children", branch="pst")
    assert (child.loan_limit, child.period, child.renewals, child.is_for_loan) == (2, 14, 1, True)
    assert not row_for(policies().rows, category="anak", collection="reference", branch="pst").is_for_loan
    # What the row leaves empty is shown as the wider row has it, and stays empty.
    assert manager.page.xpath(f"//*[@id='{new}.renewals']/@placeholder") == ["As the wider row: 1"]
    assert manager.form("/desk/policies")[f"{new}.renewals"] == ""
    manager.open("/desk/policies/versions")
    assert f"Version {policies().version} in force" in manager.text
    earlier = f"/desk/policies/versions/{before.version}"
    manager.open(earlier)
    assert "Child · All collections · All branches(no such row)Row" in manager.text
    manager.send(earlier)
    assert "The rules are saved" in manager.text
    assert (policies().rows, policies().version) == (before.rows, before.version + 2)
    manager.open(earlier)
    assert "This version equals the rules in force" in manager.text
    assert manager.http.get("/desk/policies/versions/99").status_code == 404
    assert manager.http.get("/desk/policies/versions/x").status_code == 404


def save_many_rows(count: int) -> None:
    """Save rules with this number of rows, as the API can."""
    before = policies()
    whole = replace(before.rows[0], not_for_loan_sentence=Sentence("Baca di sini.", "Read here."))
    rows = [*before.rows, *(replace(whole, collection=f"x{number}") for number in range(1, count))][:count]
    context = replace(TEST, institution=str(DINAS))
    with running["circulation"].database.transaction(context) as session:
        save_policies(session, DINAS, version=before.version, rows=rows, default_category="umum", context=context)


@pytest.mark.parametrize("count", [105, MOST_ROWS])
def test_all_rows_that_the_api_allows_are_saved_from_the_page(manager: Visitor, count: int) -> None:
    before = policies()
    save_many_rows(count)
    full = policies()
    assert len(full.rows) == count
    manager.open("/desk/policies")
    manager.send("/desk/policies", {"rows[0].loan_limit": "7"})
    assert "The rules are saved" in manager.text
    assert write_rows(policies().rows) == write_rows([replace(full.rows[0], loan_limit=7), *full.rows[1:]])
    manager.send("/desk/policies", {f"rows[{number}].remove": "1" for number in range(len(before.rows), count)})
    assert len(policies().rows) == len(before.rows)


@pytest.mark.usefixtures("_branches")
def test_rules_that_were_typed_are_kept_when_the_session_has_ended(address: str) -> None:
    before = policies()
    save_many_rows(60)
    with visitor(address) as manager:
        staff = add_staff(new_user("manager"), "manager", institution=DINAS)
        with clock.frozen(clock.now() - timedelta(minutes=31)):
            manager.sign_in(staff)
            manager.open("/desk/policies")
        answer = manager.send("/desk/policies", {"rows[59].loan_limit": "9"})
        assert answer.status_code == 401
        assert "Your entries are kept" in manager.text
        manager.send("/sign-in", {"user": staff.user, "password": PASSWORD})
        manager.send("/desk/policies")
        assert policies().rows[59].loan_limit == 9
        manager.send("/desk/policies", {f"rows[{number}].remove": "1" for number in range(len(before.rows), 60)})
    assert len(policies().rows) == len(before.rows)


def test_faults_are_beside_their_fields_and_the_typed_values_stay(manager: Visitor) -> None:
    manager.open("/desk/policies")
    before = policies()
    answer = manager.send("/desk/policies", {"rows[0].period": "seven"})
    assert answer.status_code == 400
    assert list(errors(manager.page)) == ["rows[0].period-error"]
    wrong = {"rows[0].category": "umum", "rows[0].period": "0", "rows[1].renewals": "100"}
    manager.send("/desk/policies", wrong)
    assert set(errors(manager.page)) == {"rows[0].period-error", "rows[1].renewals-error"}
    assert "Row 2, Renewal limit: The value of “Renewal limit” cannot be used: “100”." in manager.text
    assert "Some loans have no rule" in manager.text
    assert manager.form("/desk/policies")["rows[0].category"] == "umum"
    assert policies() == before


def test_the_page_takes_the_numbers_that_the_service_takes(manager: Visitor) -> None:
    manager.open("/desk/policies")
    manager.send("/desk/policies", {"rows[0].fine_cap": "1000000000", "act": "check"})
    assert manager.response.status_code == 200
    manager.open("/desk/policies")
    answer = manager.send(
        "/desk/policies", {"rows[0].fine_per_day": "10000001", "rows[0].suspension_cap": "0", "act": "check"}
    )
    assert answer.status_code == 400
    assert errors(manager.page) == {
        "rows[0].fine_per_day-error": "The value of “Fine per day (rupiah)” cannot be used: “10000001”."
    }
    manager.open("/desk/policies")
    manager.send("/desk/policies", {"rows[0].fine_cap": str(MOST_NUMBER + 1), "act": "check"})
    assert errors(manager.page) == {"rows[0].fine_cap-error": "Write a whole number from 0 to 1,000,000,000."}


def test_rules_that_somebody_else_has_changed_are_shown_as_such(manager: Visitor) -> None:
    manager.open("/desk/policies")
    answer = manager.send("/desk/policies", {"version": "0", "rows[0].renewals": "2"})
    assert answer.status_code == 412
    manager.send("/desk/policies")
    assert policies().rows[0].renewals == 2


def test_a_calendar_is_filled_in_as_people_write_hours(manager: Visitor) -> None:
    manager.open("/desk/calendars")
    assert "Perpustakaan Pusat" in manager.text
    manager.open(CALENDAR)
    hours = {"weekly.mon": "8.00–16.00", "weekly.fri": "08:00-11:30, 13.30 - 16.00"}
    season = {
        "seasons[0].why": "Ramadan",
        "seasons[0].from": "2027-02-08",
        "seasons[0].to": "2027-03-09",
        "seasons[0].weekly.mon": "08.00-14.00",
    }
    closing = {"new_from": "2027-01-11", "new_why": "Cacah ulang"}
    manager.send(CALENDAR, {**hours, **season, **closing, "holiday": []})
    assert "The calendar is saved" in manager.text
    saved = calendar()
    (week,) = saved.weeks
    assert week.first == date.min
    assert week.weekly[0] == ((480, 960),)
    assert week.weekly[4] == ((480, 690), (810, 960))
    assert [closed.why for closed in saved.closings] == ["Cacah ulang"]
    assert [dated.why for dated in saved.seasons] == ["Ramadan"]
    assert manager.form(CALENDAR)["weekly.fri"] == "08:00-11:30, 13:30-16:00"
    manager.send(CALENDAR, {"weekly.mon": "pagi", "closed": []})
    assert list(errors(manager.page)) == ["weekly.mon-error"]
    manager.open(CALENDAR)
    manager.send(CALENDAR, {"weekly.mon": "16:00-08:00", "seasons[0].remove": "1"})
    assert list(errors(manager.page)) == ["weekly.mon-error"]
    assert calendar() == saved


def test_hours_have_a_first_day_and_the_page_shows_those_of_now_of_before_and_to_come(manager: Visitor) -> None:
    before = calendar().weeks
    today = clock.now().astimezone(ZoneInfo("Asia/Jakarta")).date()
    assert manager.open(CALENDAR) is not None
    assert manager.form(CALENDAR)["weekly_from"] == today.isoformat()
    assert "In force now" in manager.text
    manager.send(CALENDAR, {"weekly.sun": "09.00-12.00", "holiday": []})
    assert [week.first for week in calendar().weeks] == [date.min, today]
    assert f"In force since {english(today)}" in manager.text
    assert f"Until {english(today - timedelta(days=1))}" in manager.text
    coming = today + timedelta(days=30)
    manager.send(CALENDAR, {"weekly.sun": "", "weekly_from": coming.isoformat(), "holiday": []})
    assert f"In force from {english(coming)} on" in manager.text
    assert manager.form(CALENDAR)["weekly.sun"] == "09:00-12:00", "the hours of today"
    manager.send(CALENDAR, {"weekly_from": "besok", "weekly.sun": "", "holiday": []})
    assert list(errors(manager.page)) == ["weekly_from-error"]
    assert f"In force from {english(coming)} on" in manager.text
    manager.open(CALENDAR)
    manager.send(CALENDAR, {"remove_week": coming.isoformat(), "holiday": []})
    assert [week.first for week in calendar().weeks] == [date.min, today]
    manager.send(CALENDAR, {"weekly.sun": "", "holiday": []})
    assert calendar().weeks == before, "the same hours as before today"


def test_seasons_that_overlap_are_refused_beside_the_second(manager: Visitor) -> None:
    manager.open(CALENDAR)
    span = {"seasons[1].from": "2027-03-09", "seasons[1].to": "2027-03-20", "seasons[1].why": "Libur semester"}
    answer = manager.send(CALENDAR, {**span, "seasons[1].weekly.mon": "09.00-12.00", "holiday": []})
    assert answer.status_code == 400
    assert errors(manager.page) == {
        "seasons[1].from-error": "The seasons “Libur semester” (9 March 2027 to 20 March 2027) and “Ramadan” "
        "(8 February 2027 to 9 March 2027) have days in common. Change the dates of one of them."
    }


def english(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def test_all_parts_of_a_calendar_that_the_api_allows_are_saved_from_the_page(manager: Visitor) -> None:
    before = calendar()
    first, why = date(2040, 1, 1), "é" * 200
    hours = [[f"{hour:02}:00", f"{hour:02}:30"] for hour in range(8, 8 + MOST_INTERVALS)]
    weekly = dict.fromkeys(choices(wire.Weekday, "day"), hours)
    days = [(first + timedelta(days=number)).isoformat() for number in range(MOST_CLOSINGS)]
    today = clock.now().astimezone(ZoneInfo("Asia/Jakarta")).date().isoformat()
    document = {
        "weeks": [{"from": "2026-01-01", "weekly": weekly}],
        "closed": [{"from": day, "to": day, "why": why} for day in days],
        "seasons": [{"from": day, "to": day, "why": why, "weekly": weekly} for day in days[:MOST_SEASONS]],
        "confirmed_years": list(range(2026, 2026 + MOST_YEARS)),
    }

    def save(document: dict[str, Any]) -> None:
        context = replace(TEST, institution=str(DINAS))
        with running["circulation"].database.transaction(context) as session:
            branch = session.get_one(Branch, PUSAT)
            save_calendar(session, branch, version=calendar().version, document=document, context=context)

    save(document)
    full = write_calendar(calendar())
    manager.open(CALENDAR)
    closed = manager.page.xpath("//input[@name='closed']/@value")
    years = manager.page.xpath("//input[@name='confirmed_year']/@value")
    manager.send(CALENDAR, {"weekly.mon": "09:00-10:00", "closed": closed, "confirmed_year": years, "holiday": []})
    assert "The calendar is saved" in manager.text
    changed = {"from": today, "weekly": full["weeks"][0]["weekly"] | {"mon": [["09:00", "10:00"]]}}
    assert write_calendar(calendar()) == full | {"weeks": [*full["weeks"], changed]}
    save(write_calendar(before))


def test_proposed_holidays_are_confirmed_for_a_year(manager: Visitor) -> None:
    with clock.frozen(datetime(2026, 1, 2, tzinfo=UTC)):
        page = manager.open(f"{CALENDAR}?year=2026")
        proposed = page.xpath("//input[@name='holiday']/@value")
        assert "2026-03-21|2026-03-21||Eid al-Fitr" in proposed
        kept = [value for value in proposed if value.startswith("2026-03")]
        closed = page.xpath("//input[@name='closed']/@value")
        manager.send(CALENDAR, {"holiday": kept, "closed": closed, "confirm": "2026"})
        assert "The calendar is saved" in manager.text
    assert calendar().confirmed_years == (2026,)
    assert [day.first.day for day in calendar().closings if day.first.year == 2026] == [18, 19, 20, 21, 22, 23, 24]


def test_a_closing_names_the_loans_that_it_moves(manager: Visitor) -> None:
    copy_id, member_id = str(UUID(int=0xB3)), str(UUID(int=0xB4))
    item = {"id": copy_id, "barcode": "B1", "title": "Robohnya Surau Kami", "status": "in_service"}
    own = {"institution_id": str(DINAS), "version": 1}
    due_at = clock.now() + timedelta(days=7)
    loan = {
        "id": UUID(int=0xB5), "institution_id": DINAS, "version": 1, "copy_id": UUID(copy_id), "branch_id": PUSAT,
        "borrower_id": UUID(member_id), "lent_at": clock.now(), "due_at": due_at, "due_on": due_at.date(),
        "unit": "day", "renewals": 0, "policy_version": 0, "policy_row": {}, "days": [],
    }  # fmt: skip
    with running["circulation"].database.transaction(TEST) as session:
        copy_items(session, [ItemCopy(**item, **own)])
        copy_members(session, [MemberCopy(id=member_id, numbers=["C1"], category="umum", **own)])
        session.execute(insert(Loan), [loan])
    manager.open(CALENDAR)
    kept = manager.page.xpath("//input[@name='closed']/@value")
    flood = {"new_from": due_at.date().isoformat(), "new_why": "Banjir"}
    manager.send(CALENDAR, {**flood, "closed": kept, "holiday": []})
    assert "The due date of 1 loan moves to the next open day" in manager.text
    assert "Robohnya Surau Kami B1 Card C1: from" in manager.text


def test_staff_of_the_desk_read_the_rules_and_readers_do_not(address: str, manager: Visitor) -> None:
    with visitor(address) as desk:
        desk.sign_in(add_staff(new_user("desk"), "desk", institution=DINAS))
        for path in ("/desk/policies", CALENDAR):
            page = desk.open(path)
            assert page.xpath("//fieldset[@disabled]")
            assert not page.xpath("//main//button")
            assert desk.send(path.rpartition("?")[0] or path).status_code == 403
    with visitor(address) as reader:
        assert reader.http.get("/desk/policies").headers["Location"].startswith("/sign-in")
        assert manager.open("/desk/calendars/DINAS/nowhere") is not None
        assert manager.response.status_code == 404


@pytest.mark.parametrize("path", ["/desk/policies", "/desk/calendars", f"{CALENDAR}?year=2027"])
def test_the_pages_are_accessible_on_every_screen(visit: Visit, manager: Visitor, address: str, path: str) -> None:
    page = visit("/", size=PHONE, fresh=True)
    take_session(page, manager)
    page.goto(path)
    check_accessibility(page)
