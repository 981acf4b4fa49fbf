"""The pages in a real Chromium, used with the keyboard, by touch and without JavaScript."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page

from gateway.web.site.record import is_long
from tests.fakes.books import BOOKS
from tests.web.conftest import PHONE, Visit, wait_for_filters
from tests.web.places import BOOK, HOSTILE, RECORD


def test_filters_load_after_the_hits_and_restrict_them(visit: Visit) -> None:
    page = visit("/search")
    page.wait_for_selector(".facet")
    page.locator(".facet a", has_text="Cabang Laing").click()
    page.wait_for_url("**/search?branch=*")
    assert page.locator(".chips a").count() == 1
    assert page.locator(".hit").count() == 2


def test_everything_works_without_javascript(visit: Visit) -> None:
    page = visit("/", java_script_enabled=False)
    page.fill("#q", "minangkabau")
    page.click("button")
    assert page.locator(".hit").count() > 0
    page.get_by_role("link", name="Tampilkan filter").click()
    page.locator(".facet a", has_text="Perpustakaan Pusat").click()
    assert page.locator(".chips a").count() == 1
    page.locator(".hit a").first.click()
    assert page.locator("h1").count() == 1
    page.get_by_role("link", name="English").click()
    page.locator("#where", has_text="Availability").wait_for()


def test_a_record_is_reached_from_the_search_box_with_the_keyboard(visit: Visit) -> None:
    page = visit("/")
    page.keyboard.press("Tab")
    assert focused(page)["text"] == "Langsung ke isi"
    for _ in range(8):
        if focused(page)["id"] == "q":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("surau navis")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=surau+navis")
    wait_for_filters(page)
    elements = []
    for _ in range(40):
        page.keyboard.press("Tab")
        elements.append(focused(page))
        if "Robohnya" in elements[-1]["text"]:
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/records/**")
    assert all(element["outline"] for element in elements), "focus must be visible"


def test_a_script_in_a_record_never_runs(visit: Visit) -> None:
    hostile = f"/records/{HOSTILE.id}"
    for path in (hostile, f"{hostile}/marc", "/search", "/", "/browse/title", "/search?q=<script>alert(1)</script>"):
        visit(path)  # a dialog fails the test


def test_slash_focuses_the_search_box_and_j_and_k_move_through_the_hits(visit: Visit) -> None:
    page = visit("/search")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert focused(page)["text"] == BOOK.title
    assert focused(page)["outline"]
    page.keyboard.press("k")
    assert focused(page)["text"] == "Robohnya Surau Kami"
    page.keyboard.press("/")
    assert focused(page)["id"] == "q"
    page.keyboard.type("j/k")
    assert page.input_value("#q") == "j/k"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/records/**")


def test_keyboard_shortcuts_can_be_turned_off(visit: Visit) -> None:
    page = visit("/search")
    page.get_by_role("button", name="Matikan pintasan").click()
    page.keyboard.press("j")
    assert page.get_by_role("button", name="Hidupkan pintasan").is_visible()
    assert focused(page)["text"] != "Robohnya Surau Kami"


CLIPBOARD = ["clipboard-read", "clipboard-write"]


class Taps:
    """Counts what a reader touches; whatever is touched must be in the window without scrolling."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def tap(self, target: Locator) -> None:
        box = target.bounding_box()
        assert box is not None
        assert min(box["x"], box["y"]) >= 0, target
        assert box["x"] + box["width"] <= PHONE[0], target
        assert box["y"] + box["height"] <= PHONE[1], target
        self.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.count += 1


def phone_page(visit: Visit, path: str) -> Page:
    return visit(path, size=PHONE, has_touch=True, is_mobile=True, permissions=CLIPBOARD)


def test_a_record_is_shared_with_one_tap_and_no_scroll(visit: Visit) -> None:
    page = phone_page(visit, RECORD)
    page.evaluate("navigator.share = data => { window.shared = data; return Promise.resolve(); }")
    taps = Taps(page)
    taps.tap(page.locator(".acts summary", has_text="Bagikan"))
    page.wait_for_function("window.shared")
    assert page.evaluate("window.shared.url").endswith(RECORD)
    assert (taps.count, page.evaluate("scrollY")) == (1, 0)


def test_without_a_sheet_of_the_phone_one_tap_copies_the_link_and_says_so(visit: Visit) -> None:
    page = phone_page(visit, RECORD)
    page.evaluate("navigator.share = undefined")
    taps = Taps(page)
    taps.tap(page.locator(".acts summary", has_text="Bagikan"))
    page.locator(".announcement[aria-live=polite]", has_text="Tautan disalin.").wait_for(state="attached")
    assert page.evaluate("navigator.clipboard.readText()").endswith(RECORD)
    assert (taps.count, page.evaluate("scrollY")) == (1, 0)
    assert page.get_by_role("link", name="WhatsApp").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("link", name="WhatsApp").is_visible()


def test_a_citation_is_copied_with_two_taps_and_no_scroll(visit: Visit) -> None:
    page = phone_page(visit, RECORD)
    taps = Taps(page)
    taps.tap(page.locator(".acts summary", has_text="Kutip"))
    taps.tap(page.get_by_role("button", name="Salin – APA"))
    page.locator(".announcement", has_text="Sudah disalin.").wait_for(state="attached")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "Rusli, M. (1922). Siti Nurbaya: Kasih Tak Sampai. Balai Pustaka."
    assert (taps.count, page.evaluate("scrollY")) == (2, 0)


# The letters of each word of the title on its longest line; a hyphen may end a line.
SHORTEST_PIECES = """() => {
    const words = document.createTreeWalker(document.querySelector('h1'), NodeFilter.SHOW_TEXT), broken = [];
    while (words.nextNode()) for (const word of words.currentNode.data.matchAll(/[^\\s-]+-?/g)) {
        const range = document.createRange();
        range.setStart(words.currentNode, word.index);
        range.setEnd(words.currentNode, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top))).size;
        if (lines > 1) broken.push([word[0], word[0].length / lines]);
    }
    return broken;
}"""


def test_large_text_never_breaks_the_title_into_letters(visit: Visit) -> None:
    title = "Pertanggungjawaban Kepemimpinan Masyarakat Minangkabau: Bidadari-Bidadari Surga di Perpustakaan"
    page = visit(RECORD, size=PHONE)
    assert is_long({"title": title, "subtitle": None})
    page.evaluate(
        "title => { const h1 = document.querySelector('h1'); h1.firstChild.data = title; h1.className = 'long'; }",
        title,
    )
    for font_size, letters in (("100%", None), ("130%", None), ("200%", 5)):
        page.evaluate("size => { document.documentElement.style.fontSize = size; }", font_size)
        broken = page.evaluate(SHORTEST_PIECES)
        assert [word for word, length in broken if letters is None or length < letters] == [], font_size


def test_print_shows_the_title_and_branches_without_navigation(visit: Visit) -> None:
    page = visit(RECORD)
    page.emulate_media(media="print")
    assert page.locator("h1").is_visible()
    assert page.locator(".branch").first.is_visible()
    for selector in (".box", ".ways", "#beside", ".standing", "#similar", ".foot nav", ".takeaway", ".acts"):
        assert not page.locator(selector).first.is_visible()


def test_print_shows_hits_in_full_width_and_all_contents(visit: Visit) -> None:
    page = visit("/search?q=minangkabau")
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible()
    assert page.locator(".hit").first.evaluate("hit => hit.getBoundingClientRect().width") > 1000
    page.goto(f"/records/{BOOKS[12].id}")
    assert page.get_by_text("Bab 14").is_visible()
    assert not page.locator(".facts summary").is_visible()


def focused(page: Page) -> dict[str, Any]:
    element: dict[str, Any] = page.evaluate(
        """() => {
            const at = document.activeElement, style = getComputedStyle(at);
            const ring = style.outlineStyle !== 'none' && style.outlineWidth !== '0px';
            const box = at.closest('.field');
            const glow = box && getComputedStyle(box).boxShadow !== 'none';
            return {id: at.id, text: at.textContent.trim(), outline: ring || glow};
        }"""
    )
    return element
