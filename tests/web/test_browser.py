"""The pages in a real Chromium: reachable, legible, light, and whole without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.fakes.books import BOOKS
from tests.web.conftest import DESK, PHONE, Visit, settled

RECORD = f"/records/{BOOKS[1].id}"
PAGES = ("/", "/search?q=minangkabau", "/search?language=ind&branch=KOTASOLOK/PUSAT", "/search?q=xyzzy", RECORD,
         f"/records/{BOOKS[7].id}", "/records/nope")  # fmt: skip
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
FIRST_LOAD_BYTES = 60 * 1024


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_in_light_or_dark(visit: Visit, path: str, size: tuple[int, int]) -> None:
    page = visit(path, size=size)
    page.eval_on_selector_all("details", "all => all.forEach(each => each.open = true)")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options={"runOnly": AXE_RULES})
        violations = [(each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]]
        assert violations == [], scheme


@pytest.mark.parametrize("path", PAGES)
def test_no_page_scrolls_sideways(visit: Visit, path: str) -> None:
    page = visit(path)
    for width in (320, 360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width


@pytest.mark.parametrize("path", PAGES)
def test_things_to_touch_are_big_enough_on_a_phone(visit: Visit, path: str) -> None:
    page = visit(path, size=PHONE, has_touch=True, is_mobile=True)
    small = page.eval_on_selector_all(
        "a, button, input, summary",
        """all => all
            .filter(each => each.checkVisibility() && !each.matches('.skip'))
            .map(each => [each.outerHTML.slice(0, 90), each.getBoundingClientRect().height])
            .filter(([, height]) => height < 43.5)""",
    )
    assert small == []


@pytest.mark.parametrize("path", ["/", "/search?q=minangkabau", RECORD])
def test_the_first_load_is_light(visit: Visit, address: str, path: str) -> None:
    page = visit("/records/nope")  # a browser with nothing in its cache but the address
    page.context.clear_cookies()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.clearBrowserCache")
    loaded: list[int] = []
    session.on("Network.loadingFinished", lambda event: loaded.append(int(event["encodedDataLength"])))
    page.goto(path)
    page.wait_for_load_state("networkidle")
    assert sum(loaded) <= FIRST_LOAD_BYTES
    assert len(loaded) <= 6


def test_filters_follow_the_hits_and_narrow_them(visit: Visit) -> None:
    page = visit("/search")
    page.wait_for_selector(".facet")
    page.get_by_role("link", name="Minangkabau 1", exact=True).or_(
        page.locator(".facet a", has_text="Cabang Laing")
    ).first.click()
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
    page.get_by_role("link", name="Tampilkan saringan").click()
    page.locator(".facet a", has_text="Perpustakaan Pusat").click()
    assert page.locator(".chips a").count() == 1
    page.locator(".hit a").first.click()
    assert page.locator("h1").count() == 1
    page.get_by_role("link", name="English").click()
    assert "Where it is" in page.content()


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
    for path in (f"/records/{BOOKS[7].id}", "/search", "/", "/search?q=<script>alert(1)</script>"):
        visit(path)  # a dialog would be a complaint


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
