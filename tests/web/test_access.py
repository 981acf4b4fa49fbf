"""Every kind of page in a real Chromium: axe finds nothing, nothing is cut, everything is big enough to touch."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.web.conftest import PHONE, Visit
from tests.web.places import PLACES

AXE_RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
# Widths of a phone, a tablet and a desk, both colour schemes on the phone, each once with reduced motion.
LOOKS = ((360, "light", "reduce"), (360, "dark", "no-preference"), (768, "dark", "reduce"), (1280, "light", "reduce"))


def every_page(*left_out: str) -> Any:
    names = [name for name in PLACES if name not in left_out]
    return pytest.mark.parametrize("path", [PLACES[name] for name in names], ids=names)


@every_page()
def test_axe_finds_nothing_on_any_screen_in_light_or_dark(visit: Visit, path: str) -> None:
    page = visit(path, size=PHONE)
    page.eval_on_selector_all("details", "all => all.forEach(each => each.open = true)")
    for width, scheme, motion in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        found = Axe().run(page, options={"runOnly": AXE_RULES})
        violations = [(each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]]
        assert violations == [], (width, scheme)


@every_page("hostile")
def test_no_page_scrolls_sideways_even_at_twice_the_letters(visit: Visit, path: str) -> None:
    page = visit(path)
    for letters, widths in (("100%", (320, 360, 768, 1280)), ("200%", (360, 768, 1280))):
        page.evaluate("size => { document.documentElement.style.fontSize = size; }", letters)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 640})
            assert sticking_out(page) == [], (width, letters)


@every_page("hostile", "division")
def test_things_to_touch_are_big_enough_on_a_phone(visit: Visit, path: str) -> None:
    page = visit(path, size=PHONE, has_touch=True, is_mobile=True)
    small = page.eval_on_selector_all(
        "a, button, input, select, summary",
        """all => all
            .filter(each => each.checkVisibility() && !each.matches('.skip'))
            .map(each => [each, (each.closest('label') || each).getBoundingClientRect().height])
            .filter(([, height]) => height < 43.5)
            .map(([each, height]) => [each.outerHTML.slice(0, 90), height])""",
    )
    assert small == []


def test_nothing_moves_for_readers_who_asked_for_stillness(visit: Visit) -> None:
    page = visit("/search?q=minangkabau", reduced_motion="reduce")
    moving = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter(each => {
            const style = getComputedStyle(each);
            return style.animationName !== 'none' || style.transitionDuration.split(',').some(each => parseFloat(each))
                || style.scrollBehavior === 'smooth';
        }).length"""
    )
    assert moving == 0


def sticking_out(page: Page) -> list[str]:
    """What makes the page wider than the window; nothing when it is not."""
    found: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
            [...document.querySelectorAll('body *')]
                .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
                .map(each => each.outerHTML.slice(0, 90))"""
    )
    return found
