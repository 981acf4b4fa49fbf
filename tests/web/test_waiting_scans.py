"""Scans that wait at the desk: an ended session, a reload, a power cut; and what stays on the page after Esc."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from gateway import sessions
from tests.fakes.accounts import PASSWORD, Staff, add_staff, new_user
from tests.fakes.lending import REFERENCE
from tests.web.scans import Shelf, at_desk, focused, in_chromium, new_card, type_scans, wait_until_sent
from tests.web.test_member_acts import number_of
from tests.web.test_member_pages import register
from tests.web.visitors import Visitor, visitor


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


def stored_scans(page: Page) -> str:
    """Return what localStorage has of scans."""
    return str(
        page.evaluate("JSON.stringify(Object.entries(localStorage).filter(([name]) => name.startsWith('desk-scans/')))")
    )


def sign_in_as(page: Page, staff: Staff, address: str) -> None:
    with visitor(address) as fresh:
        fresh.sign_in(staff)
        value = fresh.http.cookies[sessions.HTTP_COOKIE]
    page.context.add_cookies([{"name": sessions.HTTP_COOKIE, "value": value, "url": address}])


def test_scans_wait_while_the_session_has_ended_and_are_done_after_a_new_one(
    page: Page, manager: Staff, card: str, shelf: Shelf, address: str
) -> None:
    first, second, third = shelf.take(3)
    type_scans(page, card)
    wait_until_sent(page)
    page.context.clear_cookies(name=sessions.HTTP_COOKIE)
    type_scans(page, first, second)
    notice = page.locator("#paused")
    notice.wait_for()
    assert "the waiting scans are kept" in notice.inner_text()
    sign_in_as(page, add_staff(new_user("other"), "desk"), address)
    notice.get_by_role("button").click()
    expect(notice).to_contain_text("wait for the account that made them")
    sign_in_as(page, manager, address)
    notice.get_by_role("button").click()
    assert wait_until_sent(page) == ["Lent", "Lent", "Borrower opened"]
    # The way to sign in on the page itself loses no scan either.
    page.context.clear_cookies(name=sessions.HTTP_COOKIE)
    type_scans(page, third)
    notice.get_by_role("link", name="Sign in").click()
    page.wait_for_url("**/sign-in?back=%2Fdesk")
    page.locator("[name=user]").fill(manager.user)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    page.wait_for_url("**/desk")
    assert wait_until_sent(page) == ["The page was loaded again. Waiting scans that were processed: 1.", "Lent"]


def test_a_reload_or_a_power_cut_loses_no_scan_and_does_none_twice(
    page: Page, desk: Visitor, card: str, shelf: Shelf, address: str
) -> None:
    first, second, third = shelf.take(3)
    type_scans(page, card)
    wait_until_sent(page)

    def fail(route: Route) -> None:
        # The first scan reaches the server; its answer is lost.
        route.fetch()
        route.abort()

    page.route("**/desk", fail, times=1)
    page.route("**/desk", lambda route: route.abort())
    type_scans(page, first, second)
    page.keyboard.press("Alt+k")
    type_scans(page, first, "Nurhayati Disimpan")
    page.wait_for_function("document.querySelectorAll('.outcome.waiting').length === 4")
    held = stored_scans(page)
    assert (first in held, second in held) == (True, True)
    assert "Nurhayati" not in held
    # Two pages of other accounts, or later, do not touch the scans.
    stranger = page.context.new_page()
    sign_in_as(stranger, add_staff(new_user("other"), "desk"), address)
    stranger.goto("/desk")
    expect(stranger.locator(".outcome")).to_have_text(
        ["Scans of another account or branch still wait in this browser."]
    )
    stranger.close()
    page.context.add_cookies(
        [{"name": sessions.HTTP_COOKIE, "value": desk.http.cookies[sessions.HTTP_COOKIE], "url": address}]
    )
    after = page.context.new_page()
    page.close()  # as a power cut does
    after.goto("/desk")
    report, typed, *done = wait_until_sent(after)
    assert report == "The page was loaded again. Waiting scans that were processed: 4. To check: 1, see below."
    assert typed.startswith("Names, titles and reasons that were typed are not stored")
    assert done == ["Returned, to the shelf", "Lent", "Lent"]
    assert stored_scans(after) == "[]"
    assert focused(after) == "code"
    # No borrower is open, so that the next item is not lent to the last one.
    type_scans(after, third)
    assert wait_until_sent(after)[0] == "Item"
    after.reload()
    assert wait_until_sent(after) == []


def test_scans_of_yesterday_are_not_done(page: Page, card: str, shelf: Shelf) -> None:
    [item] = shelf.take(1)
    page.route("**/desk", lambda route: route.abort())
    type_scans(page, card, item)
    page.wait_for_function("document.querySelectorAll('.outcome.waiting').length === 2")
    page.evaluate(
        """() => {
            const name = Object.keys(localStorage).find((each) => each.startsWith("desk-scans/"));
            const entry = JSON.parse(localStorage.getItem(name));
            for (const scan of entry.scans) scan.at -= 12 * 3600 * 1000;
            localStorage.setItem(name.replace(/[^/]+$/, "earlier"), JSON.stringify(entry));
            localStorage.removeItem(name);
        }"""
    )
    page.goto("about:blank")
    page.unroute("**/desk")
    page.goto("/desk")
    headings = wait_until_sent(page)
    assert [heading.startswith("More than 12 hours ago") for heading in headings] == [False, True, True]
    assert page.locator("#borrower .name").count() == 0


def test_after_esc_nothing_of_the_last_borrower_stays(page: Page, desk: Visitor, shelf: Shelf) -> None:
    path = register(desk, name="Rosmaniar Tertinggal")
    member, [item] = path.rpartition("/")[2], shelf.take(1)
    page.goto(f"/desk?member={member}")
    expect(page.locator("#borrower .name")).to_have_text("Rosmaniar Tertinggal")
    type_scans(page, item, REFERENCE)
    wait_until_sent(page)
    page.keyboard.press("Escape")
    expect(page.locator(".outcome .word")).to_have_text(["Finished. Next borrower, please."])
    traces = (member, "Rosmaniar", number_of(desk, path), item, REFERENCE, "Buku ")
    content = page.content()
    assert [trace for trace in traces if trace in content] == []
    assert [trace for trace in traces if trace in page.url] == []
    assert stored_scans(page) == "[]"
    page.goto("/catalogue")
    page.go_back()
    page.locator("body.live").wait_for()
    content = page.content()
    assert [trace for trace in traces if trace in content] == []
    # Also the name on a return.
    page.keyboard.press("Alt+k")
    type_scans(page, item)
    wait_until_sent(page)
    assert "From Rosmaniar Tertinggal" in page.locator(".outcome").first.inner_text()
    page.keyboard.press("Escape")
    expect(page.locator(".outcome")).to_have_count(0)


def test_a_refusal_that_nobody_has_seen_stays_after_esc_without_its_title(page: Page, card: str, shelf: Shelf) -> None:
    [item] = shelf.take(1)
    type_scans(page, card, item, REFERENCE)
    page.keyboard.press("Escape")
    headings = wait_until_sent(page)
    assert headings[0].startswith("Finished")
    assert "Cannot be lent" in headings
    assert "Lent" not in headings
    assert page.locator(".outcome.refused").inner_text().split() == ["Cannot", "be", "lent", REFERENCE]
