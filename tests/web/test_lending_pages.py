"""Overdue loans, letters, loan slips and the reader's own loans; and how the pages of lending look on every screen."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import func, select, update

from chassis import clock
from chassis.audit import acts
from chassis.context import system
from gateway import sessions
from gateway.web.desk import overdue
from services.circulation.tables import Borrower, Loan
from tests.conditions import eventually
from tests.fakes.accounts import PASSWORD, Staff, add_staff, new_user
from tests.fakes.running import away, running
from tests.web.accessibility import (
    check_accessibility,
)
from tests.web.conftest import PHONE, Visit
from tests.web.scans import Shelf, at_desk, in_chromium, new_card, said, scan, type_scans, wait_until_sent
from tests.web.test_member_acts import number_of
from tests.web.test_member_pages import register
from tests.web.visitors import Visitor, visitor

JAKARTA = ZoneInfo("Asia/Jakarta")
MEDIA_BOX = re.compile(rb"MediaBox \[0 0 ([0-9.]+)")


@pytest.fixture(scope="module")
def shelf(address: str) -> Shelf:
    return Shelf()


@pytest.fixture(scope="module")
def manager(address: str) -> Staff:
    return add_staff(new_user("manager"), "manager", name="Budi Santoso")


@pytest.fixture(scope="module")
def desk(address: str, manager: Staff, shelf: Shelf) -> Iterator[Visitor]:
    with at_desk(address, manager) as desk:
        yield desk


@pytest.fixture
def page(browser: Browser, address: str, desk: Visitor) -> Iterator[Page]:
    with in_chromium(browser, address, desk) as page:
        yield page


@pytest.fixture
def card(desk: Visitor) -> str:
    """The number of a new member's card."""
    return new_card(desk, f"Peminjam {new_user('x')[2:]}")


def make_overdue(card: str) -> None:
    """Let the loans of a card have been due ten days ago."""
    due_at = clock.now() - timedelta(days=10)
    with running["circulation"].database.transaction(system("test")) as session:
        own = select(Borrower.id).where(Borrower.card == card)
        values = {"due_at": due_at, "due_on": due_at.date(), "lent_at": due_at - timedelta(days=7)}
        session.execute(update(Loan).where(Loan.borrower_id.in_(own)).values(**values))


def contact_looks(member: str) -> int:
    """Return how often the audit of members records that somebody read contact data of a member."""
    query = select(func.count()).where(acts.c.act == "members.read_contact", acts.c.object == member)
    with running["members"].database.reading(system("test")) as session:
        return session.scalar(query) or 0


def test_overdue_loans_are_listed_by_class_with_a_letter_for_each_and_a_file(
    desk: Visitor, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for group, item in zip(("XI A", "XI B"), shelf.take(2), strict=True):
        number = new_card(desk, f"Siswa {group}", group=group, phone="0812 6600 1122")
        desk.open("/desk")
        scan(desk, number)
        scan(desk, item)
        scan(desk, "", act="finish")
        make_overdue(number)
    desk.open("/desk/overdue")
    assert [heading.text_content() for heading in desk.page.xpath("//section/h2")] == ["XI A", "XI B"]
    assert "Siswa XI A" in desk.text
    assert "open days late" in desk.text
    desk.open("/desk/overdue/letters?group=XI+B")
    [letter] = desk.page.xpath("//article")
    assert "XI B" in letter.text_content()
    assert "Siswa XI A" not in desk.text
    response = desk.http.get("/desk/overdue.csv?group=XI+B")
    assert response.headers["Content-Type"].startswith("text/csv")
    [line] = csv.DictReader(io.StringIO(response.text.lstrip("\ufeff")))
    assert (line["barcode"], line["name"], line["phone"]) == (item, "Siswa XI B", "'+6281266001122")
    eventually(lambda: contact_looks(line["member"]) == 1, seconds=10)
    with monkeypatch.context() as patch:
        patch.setattr(overdue, "may", lambda _request, scope: scope != "members.contact")
        without = desk.http.get("/desk/overdue.csv?group=XI+B")
    assert "Siswa" not in without.text
    assert "phone" not in without.text
    desk.open("/desk")
    assert "late" in scan(desk, item, mode="return")
    assert "suspended" in said(desk)


def test_who_edits_items_reaches_a_scanned_item_and_those_on_loan(
    address: str, desk: Visitor, shelf: Shelf, card: str
) -> None:
    [item] = shelf.take(1)
    desk.open("/desk")
    scan(desk, card)
    scan(desk, item)
    outcome, loan = (
        desk.page.xpath(f"{place}//a[starts-with(@href, '/catalogue/items/')]/@href")
        for place in ("//li[contains(@class, 'outcome')]", "//ul[contains(@class, 'loans')]")
    )
    assert len(outcome) == 1
    assert outcome == loan
    with at_desk(address, add_staff(new_user("desk"), "desk")) as other:
        scan(other, item, mode="return")
        assert "/catalogue/" not in other.response.text


def suspended(desk: Visitor, shelf: Shelf, name: str) -> str:
    """Suspend a new member by a late return. Returns the path of the member."""
    path, [item] = register(desk, name=name), shelf.take(1)
    number = number_of(desk, path)
    desk.open("/desk")
    scan(desk, number)
    scan(desk, item)
    scan(desk, "", act="finish")
    make_overdue(number)
    assert "late" in scan(desk, item, mode="return")
    return path


def test_a_suspension_ends_with_a_reason_on_the_page_of_the_member(desk: Visitor, shelf: Shelf) -> None:
    path = suspended(desk, shelf, "Nasrul Terlambat")
    desk.open(path)
    assert "Suspended:" in desk.text
    form = f"{path}/suspension/end"
    assert desk.send(form, {"suspension_reason": " "}).status_code == 400
    assert (
        desk.page.xpath("string(//*[@id='suspension_reason-error'])") == "Write the reason for ending the suspension."
    )
    desk.send(form, {"suspension_reason": "Tutup karena banjir"})
    assert desk.response.url.path == path
    assert "Suspended:" not in desk.text


def test_the_page_of_a_member_leaves_a_look_at_this_member_and_none_at_the_list_of_all(desk: Visitor) -> None:
    path, database = register(desk, name="Wirda Tanpa Skorsing"), running["circulation"].database
    query = select(acts.c.act, acts.c.object).order_by(acts.c.number.desc())
    with database.reading(system("test")) as session:
        before = session.scalar(select(func.max(acts.c.number))) or 0
    desk.open(path)

    def looks() -> list[tuple[str, str]]:
        with database.reading(system("test")) as session:
            return [tuple(row) for row in session.execute(query.where(acts.c.number > before))]

    eventually(lambda: ("circulation.read_borrower", path.rpartition("/")[2]) in looks(), seconds=10)
    assert "circulation.list_suspensions" not in dict(looks())


def test_a_suspension_ends_with_a_reason_in_the_list(address: str, desk: Visitor, shelf: Shelf) -> None:
    member_id = suspended(desk, shelf, "Yuliana Terlambat").rpartition("/")[2]
    desk.open("/desk/suspensions")
    assert "Yuliana Terlambat" in desk.text
    assert desk.http.get("/desk/suspensions.csv").text.count(member_id) == 1
    assert desk.send("/desk/suspensions", {"member": member_id, "reason": ""}).status_code == 400
    assert "Write the reason for ending the suspension." in desk.text
    stale = {**desk.form("/desk/suspensions"), "member": member_id, "reason": "Lagi", "key": str(uuid.uuid4())}
    desk.send("/desk/suspensions", {"member": member_id, "reason": "Tutup karena banjir"})
    assert "The suspension has ended" in desk.text
    assert "Yuliana Terlambat" not in desk.text
    again = desk.http.post("/desk/suspensions", data=stale)
    assert again.status_code == 409
    assert "This member is not suspended." in again.text
    with visitor(address) as other:
        other.sign_in(add_staff(new_user("desk"), "desk"))
        other.open("/desk/suspensions")
        assert not other.page.xpath("//form[@action='/desk/suspensions']")


def test_a_slip_has_58_millimetres_and_no_name(page: Page, desk: Visitor, card: str, shelf: Shelf) -> None:
    first, second = shelf.take(2)
    type_scans(page, card, first, second)
    wait_until_sent(page)
    page.context.add_init_script(
        "prints = closes = 0; window.print = () => { prints += 1; }; window.close = () => { closes += 1; }"
    )
    with page.context.expect_page() as opened:
        page.keyboard.press("Alt+c")
    slip = opened.value
    slip.wait_for_function("window.prints === 1")
    text = slip.locator(".slip58").inner_text()
    assert first in text
    assert second in text
    assert text.count("Due ") == 1  # both are due on one day
    assert "Peminjam" not in text
    [width] = {round(float(box) / 72 * 25.4) for box in MEDIA_BOX.findall(slip.pdf(prefer_css_page_size=True))}
    assert width == 58
    slip.wait_for_function("window.closes > 0")  # once it is printed
    slip.close()


def test_the_reader_sees_until_when_and_renews_one_or_all(
    address: str, desk: Visitor, shelf: Shelf, visit: Visit
) -> None:
    path = register(desk, name="Rahmi Pembaca")
    number, items = number_of(desk, path), shelf.take(3)
    desk.send(f"{path}/slips")
    code = desk.page.xpath("//dl//code")[1].text_content()
    desk.open(f"/desk?member={path.rpartition('/')[2]}")
    for item in items:
        assert scan(desk, item).startswith("Lent")
    with visitor(address) as reader:
        reader.open("/sign-in/slip")
        words = {"number": number, "code": code, "password": PASSWORD, "repeated": PASSWORD}
        reader.send("/sign-in/slip", words)
        reader.open("/sign-in")
        reader.send("/sign-in", {"user": number, "password": PASSWORD})
        due = clock.now().astimezone(JAKARTA).date() + timedelta(days=7)
        assert f"Due {due:%A}, {due.day} {due:%B} {due.year}" in reader.open("/account").text_content()
        page = visit("/sign-in", size=PHONE)
        secret = reader.http.cookies[sessions.HTTP_COOKIE]
        page.context.add_cookies([{"name": sessions.HTTP_COOKIE, "value": secret, "url": address}])
        page.goto("/account")
        check_accessibility(page)
        first = reader.page.xpath("//form[contains(@action, '/account/loans/')]/@action")[0]
        reader.send(first)
        assert "Renewed" in reader.text
        [refused] = reader.page.xpath("//ul[contains(@class, 'loans')]//p[@class='hint']")
        assert "No renewals left" in refused.text_content()
        reader.send("/account/loans/renewals")
        assert "2 loans renewed" in reader.text
        assert len(reader.page.xpath("//ul[contains(@class, 'loans')]//p[@class='hint']")) == 3
        with clock.frozen(clock.now() + timedelta(days=13)):
            reader.http.cookies.clear()
            reader.open("/sign-in")
            reader.send("/sign-in", {"user": number, "password": PASSWORD})
            assert "Due tomorrow" in reader.open("/account").text_content()
        with away("circulation"):
            assert "Your loans cannot be shown" in reader.open("/account").text_content()


def test_the_pages_are_accessible_on_every_screen(visit: Visit, desk: Visitor, card: str, shelf: Shelf) -> None:
    desk.open("/desk")
    scan(desk, card)
    for item in shelf.take(3):
        scan(desk, item)
    member = desk.form("/desk")["member"]
    make_overdue(card)
    page = visit("/sign-in", size=PHONE)
    for name in (sessions.HTTP_COOKIE, "desk_branch"):
        page.context.add_cookies([{"name": name, "value": desk.http.cookies[name], "url": page.url}])
    for address in (
        f"/desk?member={member}", "/desk?branch=choose", "/desk/overdue", "/desk/overdue/letters",
        f"/desk/slips/{member}",
    ):  # fmt: skip
        page.goto(address)
        if address.startswith("/desk?member"):
            type_scans(page, shelf.take(1)[0], "nobody at all", "robohnya")
            wait_until_sent(page)
        check_accessibility(page)
