"""Every kind of page in a real Chromium: axe finds no violation, no content is cut off, touch targets are large."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.web.accessibility import DISPLAYS, SET_FONT_SIZE, VIOLATIONS, small_targets, wide_elements
from tests.web.conftest import PHONE, Visit
from tests.web.places import PLACES


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
