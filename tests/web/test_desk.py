"""The desk in a browser: scans that wait in a queue, keys, refusals, and the same acts as forms without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from chassis.errors import Unavailable
from gateway.web.desk import scan_box
from gateway.web.desk.desk_acts import Desk
from tests.fakes import catalog
from tests.fakes.accounts import Staff, add_staff, new_user
from tests.fakes.lending import ELSEWHERE, REFERENCE
from tests.fakes.running import away, replaced
from tests.web.hostile import PAYLOADS
from tests.web.scans import (
    ORGANISATION,
    Shelf,
    at_desk,
    focused,
    in_chromium,
    new_card,
    said,
    scan,
    type_scans,
    wait_until_sent,
)
from tests.web.test_member_acts import number_of
from tests.web.test_member_pages import FOREIGN, register
from tests.web.visitors import Visitor


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
    # From an empty box Tab moves on.
    page.keyboard.press("Tab")
    assert focused(page) != "code"


def test_a_refusal_with_two_reasons_is_waived_with_a_reason_and_the_keyboard(
    page: Page, card: str, shelf: Shelf
) -> None:
    type_scans(page, card, *shelf.take(3), REFERENCE)
    assert wait_until_sent(page)[0] == "Cannot be lent"
    refusal = page.locator(".outcome").first
    assert "The loan limit is reached: 3 of 3." in refusal.inner_text()
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


def test_an_item_that_nobody_knows_is_added_and_lent_with_the_keyboard(page: Page, card: str) -> None:
    type_scans(page, card, "BARU0001")
    assert wait_until_sent(page)[0] == "Cannot be lent"
    assert focused(page) == "code"  # the next scan goes into the box
    page.keyboard.press("Alt+t")
    page.keyboard.type("Kaba Cindua Mato")
    page.keyboard.press("Tab")
    page.keyboard.type("Pono, Inyiak")
    page.keyboard.press("Enter")
    assert wait_until_sent(page)[0] == "Lent", page.locator(".outcome").first.inner_text()
    assert focused(page) == "code"
    assert page.locator(".loans > li").inner_text().startswith("Kaba Cindua Mato")
    page.keyboard.press("Alt+k")
    type_scans(page, "BARU0001")
    assert wait_until_sent(page)[0] == "Returned, to the shelf"


def test_an_unknown_item_is_added_to_a_record_by_forms_alone(
    desk: Visitor, card: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filters = set()

    def fit(_book: object, facet: str, values: list[str]) -> bool:
        filters.add((facet, *values))
        return True

    monkeypatch.setattr(catalog, "has_value_of", fit)
    desk.open("/desk")
    scan(desk, card)
    assert "Is the item in your hand?" in scan(desk, "BARU0002")
    assert "Cannot be added" in scan(desk, "BARU0002", act="fast_add", title="x" * 501)
    assert "Choose the record" in scan(desk, "BARU0002", act="find_record", title="robohnya surau")
    assert filters == {("institution", "PKS")}
    [record] = desk.page.xpath("//ul[@class='choices']//input[@name='record']/@value")[:1]
    assert scan(desk, "BARU0002", act="fast_add", record=record).startswith("Lent Robohnya Surau Kami")
    assert "No such title" in scan(desk, "BARU0003", act="find_record", title="zzz nothing zzz")
    assert scan(desk, "BARU0003", act="fast_add", title="Kaba", author="").startswith("Lent Kaba")


def test_the_page_says_that_a_service_does_not_answer_and_goes_on_when_it_does(
    page: Page, card: str, shelf: Shelf
) -> None:
    [item] = shelf.take(1)
    type_scans(page, card)
    wait_until_sent(page)
    with away("circulation"):
        type_scans(page, item)
        expect(page.locator(".outcome.waiting .word")).to_have_text("No answer yet; trying again", timeout=15_000)
    assert wait_until_sent(page)[0] == "Lent"


def test_at_200_percent_the_box_is_on_the_first_screen(page: Page) -> None:
    page.set_viewport_size({"width": 640, "height": 400})
    for language in ("id", "en"):
        page.goto(f"/desk?lang={language}")
        box = page.locator("#code").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 330
        assert page.evaluate("scrollY") == 0


def test_everything_is_done_by_forms_alone(desk: Visitor, card: str, shelf: Shelf) -> None:
    first, second, third, fourth = shelf.take(4)
    desk.open("/desk")
    assert "Scan the borrower's card first" in scan(desk, first)
    assert "Borrower opened" in scan(desk, card)
    assert desk.form("/desk")["member"]
    for code in (first, second.lower(), third):
        assert scan(desk, code).startswith("Lent"), code
    assert "The loan limit is reached" in scan(desk, fourth)
    waived: dict[str, str | list[str]] = {"act": "override", "waived": ["LOAN_LIMIT_REACHED"]}
    assert "Write the reason for waiving the refusal" in scan(desk, fourth, **waived)
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


def test_a_name_and_a_title_are_lists_and_a_lost_card_opens_nobody(
    desk: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = register(desk, name="Nurhayati Daftar")
    old = number_of(desk, path)
    desk.open("/desk")
    assert "Nurhayati Daftar" in scan(desk, "nurhayati daftar")
    [member] = desk.page.xpath("//ul[@class='choices']//input[@name='code']/@value")
    assert scan(desk, member, act="member").startswith("Borrower opened")
    assert "Robohnya Surau Kami" in scan(desk, "robohnya")
    [record] = desk.page.xpath("//form[.//input[@name='act' and @value='record']]//input[@name='code']/@value")[:1]
    with monkeypatch.context() as patch:
        # The records of this catalogue belong to another institution than the desk.
        patch.setattr(scan_box, "Desk", lambda request, mode, _own, *rest: Desk(request, mode, "KOTASOLOK", *rest))
        assert "Central Library, 899" in scan(desk, record, act="record")
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
    assert "Return it for the previous borrower" in said(desk)
    assert scan(desk, item, act="exchange").startswith("Lent")


def test_lending_goes_on_without_members_and_says_that_names_are_missing(
    desk: Visitor, card: str, shelf: Shelf
) -> None:
    first, second = shelf.take(2)
    desk.open("/desk")
    scan(desk, card)
    scan(desk, first)
    scan(desk, "", act="finish")
    with away("members"):
        assert scan(desk, card).startswith("Borrower opened")
        assert "Names cannot be shown" in desk.text
        assert card in desk.text
        assert scan(desk, second).startswith("Lent")


def test_a_scan_without_an_answer_stays_in_the_box_with_its_key(desk: Visitor, card: str, shelf: Shelf) -> None:
    [item] = shelf.take(1)
    desk.open("/desk")
    scan(desk, card)
    key = desk.form("/desk")["key"]

    def refuse(request: object, context: object) -> object:
        raise Unavailable("SERVICE_UNAVAILABLE", service="circulation", code="UNAVAILABLE")

    with replaced("circulation", FindItem=refuse):
        desk.send("/desk", {"code": item})
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
