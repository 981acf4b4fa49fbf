"""Every kind of page in a real Chromium: axe finds no violation, no content is cut off, touch targets are large."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.web.conftest import PHONE, Visit
from tests.web.places import PLACES

AXE_RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
# All rules on narrow and usual phones, a tablet and a desktop, in light and dark, with and without motion, with text
# twice as large; only colours on a phone in dark mode.
DISPLAYS = (
    (320, "100%", "light", "no-preference", AXE_RULES),
    (360, "100%", "light", "reduce", AXE_RULES),
    (360, "200%", "light", "reduce", AXE_RULES),
    (360, "100%", "dark", "no-preference", ["color-contrast"]),
    (768, "100%", "dark", "no-preference", AXE_RULES),
    (1280, "100%", "light", "reduce", AXE_RULES),
)
SET_FONT_SIZE = "size => { document.documentElement.style.fontSize = size; }"
# Runs these rules; returns the id of each violated rule with the first element that violates it.
VIOLATIONS = """rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})
    .then(result => result.violations.map(violation => [violation.id, violation.nodes[0].html]))"""


def every_page(*excluded: str) -> Any:
    names = [name for name in PLACES if name not in excluded]
    return pytest.mark.parametrize("path", [PLACES[name] for name in names], ids=names)


@every_page("division", "long")
def test_axe_finds_no_violation_on_any_screen_in_light_or_dark(visit: Visit, path: str) -> None:
    page = visit(path, size=PHONE)
    page.eval_on_selector_all("details", "elements => elements.forEach(element => element.open = true)")
    page.evaluate(Axe().axe_script)
    for width, font_size, scheme, motion, rules in DISPLAYS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(SET_FONT_SIZE, font_size)
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        assert page.evaluate(VIOLATIONS, rules) == [], (width, font_size, scheme)


@every_page("hostile")
def test_no_page_scrolls_sideways_even_with_text_twice_as_large(visit: Visit, path: str) -> None:
    page = visit(path)
    for font_size, widths in (("100%", (320, 360, 768, 1280)), ("200%", (360, 768, 1280))):
        page.evaluate(SET_FONT_SIZE, font_size)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 640})
            assert wide_elements(page) == [], (width, font_size)


@every_page("hostile", "division", "long")
def test_touch_targets_are_large_enough_on_a_phone(visit: Visit, path: str) -> None:
    page = visit(path, size=PHONE, has_touch=True, is_mobile=True)
    assert small_targets(page) == []


def test_nothing_moves_with_reduced_motion(visit: Visit) -> None:
    page = visit("/search?q=minangkabau", reduced_motion="reduce")
    moving = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter(element => {
            const style = getComputedStyle(element);
            return style.animationName !== 'none' || style.transitionDuration.split(',').some(time => parseFloat(time))
                || style.scrollBehavior === 'smooth';
        }).length"""
    )
    assert moving == 0


def wide_elements(page: Page) -> list[str]:
    """Elements that make the page wider than the window."""
    elements: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
            [...document.querySelectorAll('body *')]
                .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
                .map(element => element.outerHTML.slice(0, 90))"""
    )
    return elements


def small_targets(page: Page) -> list[Any]:
    """Elements to touch that are lower than 44 px, with their height; a box and its label count as one."""
    small: list[Any] = page.eval_on_selector_all(
        "a, button, input, select, summary",
        """elements => elements
            .filter(element => element.checkVisibility() && !element.matches('.skip'))
            .map(element => [element, (element.closest('label') || element).getBoundingClientRect().height])
            .filter(([, height]) => height < 43.5)
            .map(([element, height]) => [element.outerHTML.slice(0, 90), height])""",
    )
    return small
