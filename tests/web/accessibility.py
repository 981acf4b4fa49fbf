"""Checks of a page's accessibility: axe, content that is cut off, and the size of what is touched."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from gateway import sessions
from tests.web.conftest import PHONE
from tests.web.visitors import Visitor

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


def check_accessibility(page: Page) -> None:
    """Fail when the page has a violation on any screen, is cut off, or has a target that is too small to touch."""
    page.eval_on_selector_all("details", "elements => elements.forEach(element => element.open = true)")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.evaluate(SET_FONT_SIZE, "100%")
    assert small_targets(page) == [], page.url
    page.evaluate(Axe().axe_script)
    for width, font_size, scheme, motion, rules in DISPLAYS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(SET_FONT_SIZE, font_size)
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        assert page.evaluate(VIOLATIONS, rules) == [], (page.url, width, font_size, scheme)
        assert wide_elements(page) == [], (page.url, width, font_size)


def take_session(page: Page, visitor: Visitor) -> None:
    """Sign the browser of a page in as a visitor."""
    secret = visitor.http.cookies[sessions.HTTP_COOKIE]
    page.context.add_cookies([{"name": sessions.HTTP_COOKIE, "value": secret, "url": page.url}])


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
