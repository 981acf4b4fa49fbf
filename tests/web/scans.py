"""What tests of the desk share: a signed-in desk with and without Chromium, scans, and items that nobody has used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect

from gateway import sessions
from tests.fakes.accounts import Staff
from tests.fakes.lending import ITEMS, add_items, barcode
from tests.web.test_member_acts import number_of
from tests.web.test_member_pages import register
from tests.web.visitors import Visitor, visitor

# One of these borrows up to 30 items.
ORGANISATION = {"category": "lembaga", "responsible_name": "Yusmaniar"}


# Of the one gateway of all tests of pages.
_numbers = iter(range(1, ITEMS + 1))


class Shelf:
    """Barcodes of items that no test has used yet."""

    def __init__(self) -> None:
        add_items()

    def take(self, count: int) -> list[str]:
        return [barcode(next(_numbers)) for _ in range(count)]


@contextmanager
def at_desk(address: str, staff: Staff) -> Iterator[Visitor]:
    """Open the browser of somebody of staff at the desk of the main branch, without JavaScript."""
    with visitor(address) as desk:
        assert desk.sign_in(staff).status_code == 303
        desk.open("/desk")
        assert desk.send("/desk/branch", {"branch": "PKS/PST"}).status_code == 200
        yield desk


@contextmanager
def in_chromium(browser: Browser, address: str, desk: Visitor) -> Iterator[Page]:
    """Open the same desk in Chromium; an error of a script fails the test."""
    context = browser.new_context(base_url=address, locale="en-GB")
    for name in (sessions.HTTP_COOKIE, "desk_branch"):
        context.add_cookies([{"name": name, "value": desk.http.cookies[name], "url": address}])
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/desk")
    yield page
    context.close()
    assert errors == []


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


def type_scans(page: Page, *codes: str, end: str = "Enter") -> None:
    """Type as a scanner does, once the page is there."""
    page.locator("body.live").wait_for()
    for code in codes:
        page.keyboard.type(code)
        page.keyboard.press(end)


def wait_until_sent(page: Page) -> list[str]:
    """Wait until no scan waits. Returns the headings of the outcomes, the newest first."""
    expect(page.locator(".outcome.waiting")).to_have_count(0, timeout=60_000)
    return page.locator(".outcome .word").all_inner_texts()


def focused(page: Page) -> str:
    """Return the id of the element that has the focus."""
    return str(page.evaluate("document.activeElement.id"))
