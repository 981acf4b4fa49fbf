"""The pages in a real Chromium, as readers use them: with keys, by touch, and without JavaScript."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.fakes.books import BOOKS
from tests.web.conftest import Visit, settled
from tests.web.places import BOOK, HOSTILE, RECORD


def test_filters_follow_the_hits_and_narrow_them(visit: Visit) -> None:
    page = visit("/search")
    page.wait_for_selector(".facet")
    page.locator(".facet a", has_text="Cabang Laing").click()
    page.wait_for_url("**/search?branch=*")
    assert page.locator(".chips a").count() == 1
    assert page.locator(".hit").count() == 2


def test_suggestions_come_while_typing(visit: Visit) -> None:
    page = visit("/")
    page.get_by_role("searchbox").or_(page.get_by_role("combobox")).type("robo", delay=20)
    page.locator("#suggestions option").first.wait_for(state="attached")
    assert page.locator("#suggestions option").first.get_attribute("value") == "Robohnya Surau Kami"


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
    assert "Availability" in page.content()


def test_the_keyboard_alone_leads_from_the_box_to_a_record(visit: Visit) -> None:
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
    settled(page)
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if "Robohnya" in seen[-1]["text"]:
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/records/**")
    assert all(each["outline"] for each in seen), "focus must be seen"


def test_a_script_in_a_record_never_runs(visit: Visit) -> None:
    hostile = f"/records/{HOSTILE.id}"
    for path in (hostile, f"{hostile}/marc", "/search", "/", "/browse/title", "/search?q=<script>alert(1)</script>"):
        visit(path)  # a dialog would be a complaint


def test_a_slash_searches_and_j_and_k_walk_through_the_hits(visit: Visit) -> None:
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


def test_the_keys_are_explained_and_can_be_turned_off(visit: Visit) -> None:
    page = visit("/search")
    page.get_by_role("button", name="Matikan pintasan").click()
    page.keyboard.press("j")
    assert page.get_by_role("button", name="Hidupkan pintasan").is_visible()
    assert focused(page)["text"] != "Robohnya Surau Kami"


def test_a_citation_is_copied_with_one_touch(visit: Visit) -> None:
    page = visit(RECORD, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("Kutip", exact=True).click()
    page.get_by_role("button", name="Salin – APA").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "Rusli, M. (1922). Siti Nurbaya: Kasih Tak Sampai. Balai Pustaka."


def test_on_paper_there_is_what_a_reader_takes_along(visit: Visit) -> None:
    page = visit(RECORD)
    page.emulate_media(media="print")
    assert page.locator("h1").is_visible()
    assert page.locator(".branch").first.is_visible()
    for left_out in (".box", ".ways", "#beside", ".standing", "#similar", ".foot nav", ".takeaway details"):
        assert not page.locator(left_out).first.is_visible()


def test_on_paper_hits_have_the_whole_width_and_folded_lines_are_there(visit: Visit) -> None:
    page = visit("/search?q=minangkabau")
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible()
    assert page.locator(".hit").first.evaluate("each => each.getBoundingClientRect().width") > 1000
    page.goto(f"/records/{BOOKS[12].id}")
    assert page.get_by_text("Bab 14").is_visible()
    assert not page.locator(".facts summary").is_visible()


def focused(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(
        """() => {
            const at = document.activeElement, style = getComputedStyle(at);
            const ring = style.outlineStyle !== 'none' && style.outlineWidth !== '0px';
            const box = at.closest('.field');
            const glow = box && getComputedStyle(box).boxShadow !== 'none';
            return {id: at.id, text: at.textContent.trim(), outline: ring || glow};
        }"""
    )
    return found
