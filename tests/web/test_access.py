"""Every kind of page in a real Chromium: axe finds no violation, no content is cut off, touch targets are large."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.web.accessibility import OPEN_ALL, SET_FONT_SIZE, check_rules, low_contrasts, small_targets, wide_elements
from tests.web.conftest import PHONE, Visit
from tests.web.places import PLACES


def check_widths(page: Page) -> None:
    """Fail when the page scrolls sideways, even with text twice as large."""
    for font_size, widths in (("100%", (320, 360, 768, 1280)), ("200%", (360, 768, 1280))):
        page.evaluate(SET_FONT_SIZE, font_size)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 640})
            assert wide_elements(page) == [], ("scrolls sideways", width, font_size)
    page.evaluate(SET_FONT_SIZE, "100%")


NAMES = [name for name in PLACES if name not in ("division", "long")]


@pytest.mark.parametrize("path", [PLACES[name] for name in NAMES], ids=NAMES)
def test_a_page_is_accessible_on_any_screen_in_light_or_dark(visit: Visit, path: str) -> None:
    page = visit(path, size=PHONE)
    # First as the page comes, then with all that opens.
    if path != PLACES["hostile"]:
        check_widths(page)
    page.evaluate(OPEN_ALL)
    page.evaluate(Axe().axe_script)
    check_rules(page)


GOOD = '<p style="color: #333; background: #fff">good</p>'
BAD = {
    "color": '<p style="color: #999; background: #fff">bad</p>',
    "background": '<div style="background: #444"><p style="color: #333">bad</p></div>',
    "opacity": '<div style="opacity: .4"><p style="color: #333; background: #fff">bad</p></div>',
    "size": """<p style="color: #808080; background: #fff; font-size: 30px">good</p>
        <p style="color: #808080; background: #fff; font-size: 16px">bad</p>""",
    "disabled": """<button style="color: #aaa; background: #fff" disabled>good</button>
        <button style="color: #aaa; background: #fff">bad</button>""",
    "sign": """<p style="color: #ddd; background: #fff">–</p>
        <p style="color: #ddd; background: #fff">bad</p>""",
    "outside": """<div style="background: #222"><div style="background: #fff; width: 9em">
        <p style="color: #333">good</p><p style="color: #333; margin-left: 10em; width: 5em">bad</p></div></div>""",
    "moved": """<div style="background: #fff; height: 9em"><p style="color: #333">good</p>
        <div style="background: #222; height: 3em; width: 9em"></div>
        <p style="color: #333; position: relative; top: -2em">bad</p></div>""",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_text_with_too_little_contrast_is_found_beside_good_ones(visit: Visit, bad: str) -> None:
    page = visit("/tidak-ada", bypass_csp=True)
    page.evaluate(Axe().axe_script)
    fill = "markup => { document.querySelector('main').innerHTML = markup; }"
    page.evaluate(fill, GOOD)
    assert low_contrasts(page) == []
    page.evaluate(fill, GOOD + bad)
    for _ in range(2):
        assert [element.partition(">")[2][:3] for _, element in low_contrasts(page)] == ["bad"]


SMALL = "<button style='all: unset; font-size: 9px'>a</button>"


@pytest.mark.parametrize(("rule", "bad"), [("image-alt", "<img src='/favicon.ico'>"), ("target-size", SMALL * 2)])
def test_a_violation_on_a_wide_screen_alone_is_found(visit: Visit, rule: str, bad: str) -> None:
    page = visit("/tidak-ada", bypass_csp=True)
    page.evaluate(Axe().axe_script)
    wide = f"<style>@media (width < 1000px) {{ .planted {{ display: none }} }}</style><p class='planted'>{bad}</p>"
    page.evaluate("markup => { document.querySelector('main').innerHTML += markup; }", wide)
    with pytest.raises(AssertionError) as failure:
        check_rules(page)
    assert rule in str(failure.value)
    assert "1280" in str(failure.value)


@pytest.mark.parametrize("name", ["division", "long"])
def test_no_page_scrolls_sideways_even_with_text_twice_as_large(visit: Visit, name: str) -> None:
    check_widths(visit(PLACES[name]))


@pytest.mark.parametrize("path", [PLACES[name] for name in NAMES if name != "hostile"])
def test_touch_targets_are_large_enough_on_a_phone(visit: Visit, path: str) -> None:
    # Pages that load on a phone leave out what only a keyboard needs.
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
