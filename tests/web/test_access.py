"""Every kind of page in a real Chromium: axe finds nothing, nothing is cut, everything is big enough to touch."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.web.conftest import PHONE, Visit
from tests.web.places import PLACES

AXE_RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
# Everything on a narrow and a usual phone, a tablet and a desk, in either scheme, with and without motion, with letters
# twice as large; colours on a phone in the dark.
LOOKS = (
    (320, "100%", "light", "no-preference", AXE_RULES),
    (360, "100%", "light", "reduce", AXE_RULES),
    (360, "200%", "light", "reduce", AXE_RULES),
    (360, "100%", "dark", "no-preference", ["color-contrast"]),
    (768, "100%", "dark", "no-preference", AXE_RULES),
    (1280, "100%", "light", "reduce", AXE_RULES),
)
LETTERS = "size => { document.documentElement.style.fontSize = size; }"
# Runs these rules and gives back the id of each that complains, with the first element it complains about.
COMPLAINTS = """rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})
    .then(found => found.violations.map(each => [each.id, each.nodes[0].html]))"""


def every_page(*left_out: str) -> Any:
    names = [name for name in PLACES if name not in left_out]
    return pytest.mark.parametrize("path", [PLACES[name] for name in names], ids=names)


@every_page("division", "long")
def test_axe_finds_nothing_on_any_screen_in_light_or_dark(visit: Visit, path: str) -> None:
    page = visit(path, size=PHONE)
    page.eval_on_selector_all("details", "all => all.forEach(each => each.open = true)")
    page.evaluate(Axe().axe_script)
    for width, letters, scheme, motion, rules in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(LETTERS, letters)
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        assert page.evaluate(COMPLAINTS, rules) == [], (width, letters, scheme)


@every_page("hostile")
def test_no_page_scrolls_sideways_even_at_twice_the_letters(visit: Visit, path: str) -> None:
    page = visit(path)
    for letters, widths in (("100%", (320, 360, 768, 1280)), ("200%", (360, 768, 1280))):
        page.evaluate(LETTERS, letters)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 640})
            assert sticking_out(page) == [], (width, letters)


@every_page("hostile", "division", "long")
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
