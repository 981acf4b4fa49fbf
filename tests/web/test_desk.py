"""The desk in a browser: scans that wait in a queue, keys, refusals, and the same acts as forms without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import select, update

from chassis import clock
from chassis.context import system
from chassis.errors import Unavailable
from chassis.rpc import inproc
from gateway import sessions
from gateway.web import desk_acts
from services.circulation import rules
from services.circulation.tables import Borrower, Loan
from tests.fakes.accounts import PASSWORD, Staff, add_staff, new_user
from tests.fakes.lending import ELSEWHERE, ITEMS, REFERENCE, add_items, barcode
from tests.fakes.running import running
from tests.web.conftest import PHONE, Visit
from tests.web.hostile import PAYLOADS
from tests.web.test_access import DISPLAYS, SET_FONT_SIZE, VIOLATIONS, small_targets, wide_elements
from tests.web.test_member_acts import number_of
from tests.web.test_member_pages import FOREIGN, register
from tests.web.visitors import Visitor, visitor

JAKARTA = ZoneInfo("Asia/Jakarta")
MEDIA_BOX = re.compile(rb"MediaBox \[0 0 ([0-9.]+)")
# One of these borrows up to 30 items.
ORGANISATION = {"category": "lembaga", "responsible_name": "Yusmaniar"}


@dataclass
class Shelf:
    """Barcodes of items that no test has used yet."""

    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, ITEMS + 1)))

    def take(self, count: int) -> list[str]:
        return [barcode(next(self.numbers)) for _ in range(count)]


@pytest.fixture(scope="module")
def shelf(address: str) -> Shelf:
    add_items()
    return Shelf()


@pytest.fixture(scope="module")
def manager(address: str) -> Staff:
    return add_staff(new_user("manager"), "manager", name="Budi Santoso")


@pytest.fixture(scope="module")
def desk(address: str, manager: Staff, shelf: Shelf) -> Iterator[Visitor]:
    """The browser of a manager at the desk of the main branch, without JavaScript."""
    with visitor(address) as desk:
        assert desk.sign_in(manager).status_code == 303
        desk.open("/desk")
        assert desk.send("/desk/branch", {"branch": "PST"}).status_code == 200
        yield desk


@pytest.fixture
def card(desk: Visitor) -> str:
    """The number of a new member's card."""
    return new_card(desk, f"Peminjam {new_user('x')[2:]}")


def new_card(desk: Visitor, name: str, **fields: str) -> str:
    return number_of(desk, register(desk, name=name, **fields))


def scan(desk: Visitor, code: str, **fields: str | list[str]) -> str:
    """Send a scan, or another act with `code`, from the page as it stands. Returns what the page says of it."""
    if not desk.response.url.path.startswith("/desk"):
        desk.open("/desk")
    desk.send("/desk", {"code": code, **fields})
    assert desk.response.status_code == 200, desk.text
    return said(desk)


def said(desk: Visitor) -> str:
    return " ".join(desk.page.xpath("//li[contains(@class, 'outcome')]")[0].text_content().split())


@pytest.fixture
def page(browser: Browser, address: str, desk: Visitor) -> Iterator[Page]:
    """The same desk in Chromium; an error of a script fails the test."""
    context = browser.new_context(base_url=address, locale="en-GB")
    for name in (sessions.HTTP_COOKIE, "desk_branch"):
        context.add_cookies([{"name": name, "value": desk.http.cookies[name], "url": address}])
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/desk")
    yield page
    context.close()
    assert errors == []


def type_scans(page: Page, *codes: str, end: str = "Enter") -> None:
    for code in codes:
        page.keyboard.type(code)
        page.keyboard.press(end)


def wait_until_sent(page: Page) -> list[str]:
    """Wait until no scan waits. Returns the headings of the outcomes, the newest first."""
    expect(page.locator(".outcome.waiting")).to_have_count(0, timeout=20_000)
    return page.locator(".outcome .word").all_inner_texts()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id"))


def test_what_nobody_may_waive_is_that_of_circulation() -> None:
    assert desk_acts.FINAL == rules.FINAL


def test_five_books_need_a_card_five_scans_and_one_key(page: Page, desk: Visitor, shelf: Shelf) -> None:
    card = new_card(desk, "Lembaga Lima Buku", **ORGANISATION)
    page.keyboard.press("Alt+u")
    type_scans(page, card, *shelf.take(5))
    assert wait_until_sent(page) == ["Lent"] * 5 + ["Borrower opened"]
    assert focused(page) == "code"
    panel = page.locator("#borrower").inner_text()
    assert "Lembaga Lima Buku" in panel
    assert "Loans: 5 of 30" in panel
    page.keyboard.press("Escape")
    assert wait_until_sent(page)[0].startswith("Finished")
    assert "Lembaga" not in page.locator("#borrower").inner_text()
    assert focused(page) == "code"


def test_twenty_scans_back_to_back_are_all_done_in_order_also_while_the_network_fails(
    page: Page, desk: Visitor, shelf: Shelf
) -> None:
    card, codes, failures = new_card(desk, "Taman Baca Dua Puluh", **ORGANISATION), shelf.take(20), [1, 2, 5]
    requests = 0

    def fail(route: Route) -> None:
        nonlocal requests
        requests += 1
        if requests in failures:
            # The service may have done it: the answer alone is lost.
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/desk", fail)
    type_scans(page, card, *codes)
    waiting = page.locator(".outcome.waiting").count()
    headings = wait_until_sent(page)
    page.unroute("**/desk")
    assert waiting > 5
    assert headings == ["Lent"] * 20 + ["Borrower opened"]
    shown = page.locator(".outcome .call").all_inner_texts()
    assert shown[:20] == codes[::-1]
    assert page.locator(".loans > li").count() == 20


def test_a_scanner_may_end_in_tab_have_caps_lock_and_find_the_focus_elsewhere(
    page: Page, card: str, shelf: Shelf
) -> None:
    first, second, third = shelf.take(3)
    type_scans(page, card, first, end="Tab")
    type_scans(page, second.lower())
    page.locator("h1").click()
    assert focused(page) != "code"
    type_scans(page, third)
    assert wait_until_sent(page) == ["Lent"] * 3 + ["Borrower opened"]
    # Fingers are slower: Tab moves on.
    page.locator("#code").press_sequentially("nam", delay=150)
    page.keyboard.press("Tab")
    assert focused(page) != "code"


def test_a_refusal_with_two_reasons_is_waived_with_a_reason_and_the_keyboard(
    page: Page, card: str, shelf: Shelf
) -> None:
    type_scans(page, card, *shelf.take(3), REFERENCE)
    assert wait_until_sent(page)[0] == "Cannot be lent"
    refusal = page.locator(".outcome").first
    assert "The limit of loans is reached: 3 of 3." in refusal.inner_text()
    assert "reference" in refusal.inner_text().lower()
    assert refusal.get_attribute("data-tone") == "refused"
    page.keyboard.press("Alt+o")
    page.keyboard.type("Lomba literasi besok")
    page.keyboard.press("Enter")
    assert wait_until_sent(page)[0] == "Lent"
    assert focused(page) == "code"
    page.keyboard.press("Alt+k")
    type_scans(page, REFERENCE)
    assert wait_until_sent(page)[0] == "Returned, to the shelf"
    assert page.locator(".modes [aria-current]").inner_text().startswith("Return")


def test_scans_wait_while_the_session_has_ended_and_are_done_after_a_new_one(
    page: Page, desk: Visitor, manager: Staff, card: str, shelf: Shelf, address: str
) -> None:
    first, second = shelf.take(2)
    type_scans(page, card)
    wait_until_sent(page)
    page.context.clear_cookies(name=sessions.HTTP_COOKIE)
    type_scans(page, first, second)
    notice = page.locator("#paused")
    notice.wait_for()
    assert "the waiting scans are kept" in notice.inner_text()
    with visitor(address) as fresh:
        fresh.sign_in(manager)
        value = fresh.http.cookies[sessions.HTTP_COOKIE]
    page.context.add_cookies([{"name": sessions.HTTP_COOKIE, "value": value, "url": address}])
    notice.get_by_role("button").click()
    assert wait_until_sent(page) == ["Lent", "Lent", "Borrower opened"]


def test_everything_is_done_by_forms_alone(desk: Visitor, card: str, shelf: Shelf) -> None:
    first, second, third, fourth = shelf.take(4)
    desk.open("/desk")
    assert "Scan the borrower's card first" in scan(desk, first)
    assert "Borrower opened" in scan(desk, card)
    assert desk.form("/desk")["member"]
    for code in (first, second.lower(), third):
        assert scan(desk, code).startswith("Lent"), code
    assert "The limit of loans is reached" in scan(desk, fourth)
    waived: dict[str, str | list[str]] = {"act": "override", "waived": ["LOAN_LIMIT_REACHED"]}
    assert "Write why the refusal is waived" in scan(desk, fourth, **waived)
    assert scan(desk, fourth, **waived, reason="Kelas literasi").startswith("Lent")
    loan = desk.page.xpath("//button[@name='code']/@value")[0]
    assert scan(desk, loan, act="renew").startswith("Renewed")
    assert "Renewals" in scan(desk, "", act="renew_all") or "renewed" in said(desk)
    assert "Finished" in scan(desk, "", act="finish")
    assert desk.form("/desk")["member"] == ""
    for code in (first, second, third, fourth):
        assert scan(desk, code, mode="return").startswith("Returned, to the shelf")
    assert "was not on loan" in scan(desk, ELSEWHERE, mode="return")
    assert scan(desk, ELSEWHERE, mode="read_here").startswith("Counted")


def test_a_name_and_a_title_are_lists_and_a_lost_card_opens_nobody(desk: Visitor, shelf: Shelf) -> None:
    path = register(desk, name="Nurhayati Daftar")
    old = number_of(desk, path)
    desk.open("/desk")
    assert "Nurhayati Daftar" in scan(desk, "nurhayati daftar")
    [member] = desk.page.xpath("//ul[@class='choices']//input[@name='code']/@value")
    assert scan(desk, member, act="member").startswith("Borrower opened")
    assert "Robohnya Surau Kami" in scan(desk, "robohnya")
    scan(desk, "", act="finish")
    desk.open(path)
    desk.send(f"{path}/cards", {"act": "lost"})
    desk.open("/desk")
    assert "This card is lost" in scan(desk, old)
    assert desk.form("/desk")["member"] == ""
    assert scan(desk, "zzz nobody zzz").startswith("Unknown")


def test_an_item_that_is_on_loan_is_taken_back_and_lent_in_one_act(desk: Visitor, card: str, shelf: Shelf) -> None:
    [item] = shelf.take(1)
    other = new_card(desk, "Peminjam Kedua")
    desk.open("/desk")
    scan(desk, card)
    scan(desk, item)
    scan(desk, other)
    assert "This item is on loan" in scan(desk, item)
    assert "Take it back" in said(desk)
    assert scan(desk, item, act="exchange").startswith("Lent")


def test_lending_goes_on_without_members_and_says_that_names_are_missing(
    desk: Visitor, card: str, shelf: Shelf
) -> None:
    first, second = shelf.take(2)
    desk.open("/desk")
    scan(desk, card)
    scan(desk, first)
    scan(desk, "", act="finish")
    methods = inproc._services.pop("members")
    try:
        assert scan(desk, card).startswith("Borrower opened")
        assert "Names are missing" in desk.text
        assert card in desk.text
        assert scan(desk, second).startswith("Lent")
    finally:
        inproc._services["members"] = methods


def test_a_scan_without_an_answer_stays_in_the_box_with_its_key(desk: Visitor, card: str, shelf: Shelf) -> None:
    [item] = shelf.take(1)
    desk.open("/desk")
    scan(desk, card)
    key = desk.form("/desk")["key"]
    methods = inproc._services["circulation"]
    missing = {path: method for path, method in methods.items() if path.endswith("/FindItem")}

    def refuse(request: object, context: object) -> object:
        raise Unavailable("SERVICE_UNAVAILABLE", service="circulation", code="UNAVAILABLE")

    [(path, method)] = missing.items()
    methods[path] = replace(method, behaviour=refuse)
    try:
        desk.send("/desk", {"code": item})
    finally:
        methods[path] = method
    assert (desk.response.status_code, "will not be recorded twice" in desk.text) == (503, True)
    assert (desk.form("/desk")["code"], desk.form("/desk")["key"]) == (item, key)
    assert desk.send("/desk").status_code == 200
    assert said(desk).startswith("Lent")


def test_hostile_texts_are_shown_as_text(desk: Visitor) -> None:
    desk.open("/desk")
    for payload in PAYLOADS:
        for mode in ("lend", "return", "read_here"):
            desk.send("/desk", {"code": payload, "mode": mode})
            assert desk.response.status_code == 200, payload
            assert not desk.page.xpath(FOREIGN.replace("self::script or ", "")), payload
    desk.open("/desk")


def make_overdue(card: str) -> None:
    """Let the loans of a card have been due ten days ago."""
    due_at = clock.now() - timedelta(days=10)
    with running["circulation"].database.transaction(system("test")) as session:
        own = select(Borrower.id).where(Borrower.card == card)
        values = {"due_at": due_at, "due_on": due_at.date(), "lent_at": due_at - timedelta(days=7)}
        session.execute(update(Loan).where(Loan.borrower_id.in_(own)).values(**values))


def test_overdue_loans_stand_by_class_with_a_letter_for_each_and_a_file(desk: Visitor, shelf: Shelf) -> None:
    for group, item in zip(("XI A", "XI B"), shelf.take(2), strict=True):
        number = new_card(desk, f"Siswa {group}", group=group)
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
    response = desk.http.get("/desk/overdue.csv")
    assert response.headers["Content-Type"].startswith("text/csv")
    assert "Siswa" not in response.text
    desk.open("/desk")
    assert "late" in scan(desk, item, mode="return")
    assert "suspended" in said(desk)


def test_a_slip_has_58_millimetres_and_no_name(page: Page, desk: Visitor, card: str, shelf: Shelf) -> None:
    [item] = shelf.take(1)
    type_scans(page, card, item)
    wait_until_sent(page)
    with page.context.expect_page() as opened:
        page.keyboard.press("Alt+c")
    slip = opened.value
    slip.wait_for_load_state()
    assert item in slip.locator(".slip58").inner_text()
    assert "Peminjam" not in slip.locator(".slip58").inner_text()
    [width] = {round(float(box) / 72 * 25.4) for box in MEDIA_BOX.findall(slip.pdf(prefer_css_page_size=True))}
    assert width == 58
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
        find_no_violation(page)
        first = reader.page.xpath("//form[contains(@action, '/account/loans/')]/@action")[0]
        reader.send(first)
        assert "Renewed" in reader.text
        [refused] = reader.page.xpath("//ul[contains(@class, 'loans')]//p[@class='hint']")
        assert "All renewals are used up" in refused.text_content()
        reader.send("/account/loans/renewals")
        assert "2 loans renewed" in reader.text
        assert len(reader.page.xpath("//ul[contains(@class, 'loans')]//p[@class='hint']")) == 3
        with clock.frozen(clock.now() + timedelta(days=13)):
            reader.http.cookies.clear()
            reader.open("/sign-in")
            reader.send("/sign-in", {"user": number, "password": PASSWORD})
            assert "Due tomorrow" in reader.open("/account").text_content()
        methods = inproc._services.pop("circulation")
        try:
            assert "Your loans are missing" in reader.open("/account").text_content()
        finally:
            inproc._services["circulation"] = methods


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
        find_no_violation(page)


def find_no_violation(page: Page) -> None:
    """Look at a page on every screen: axe, what is cut off, and the size of what is touched."""
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.evaluate(SET_FONT_SIZE, "100%")
    assert small_targets(page) == []
    page.evaluate(Axe().axe_script)
    for width, font_size, scheme, motion, rules_ in DISPLAYS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(SET_FONT_SIZE, font_size)
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        assert page.evaluate(VIOLATIONS, rules_) == [], (page.url, width, font_size, scheme)
        assert wide_elements(page) == [], (page.url, width, font_size)
