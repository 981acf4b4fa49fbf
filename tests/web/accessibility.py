"""Checks of a page's accessibility: axe, content that is cut off, and the size of what is touched."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from gateway import sessions
from tests.web.conftest import PHONE
from tests.web.visitors import Visitor

AXE_RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
# Rules that go by places, sizes and colours. The others go by the document, and by which elements are shown.
LAYOUT_RULES = ["target-size", "scrollable-region-focusable", "link-in-text-block"]
# All rules on narrow and usual phones, a tablet and a desktop, in light and dark, with and without motion, with text
# twice as large; only colours on a phone in dark mode.
DISPLAYS = (
    (320, "100%", "light", "no-preference", AXE_RULES),
    (360, "100%", "light", "reduce", AXE_RULES),
    (360, "200%", "light", "reduce", AXE_RULES),
    (360, "100%", "dark", "no-preference", []),
    (768, "100%", "dark", "no-preference", AXE_RULES),
    (1280, "100%", "light", "reduce", AXE_RULES),
)
OPEN_ALL = "() => document.querySelectorAll('details').forEach(element => { element.open = true; })"
SET_FONT_SIZE = "size => { document.documentElement.style.fontSize = size; }"
# Runs these rules, but not the one of contrast; returns the id of each violated rule with the first element.
VIOLATIONS = """rules => axe.run(document, {runOnly: rules, rules: {'color-contrast': {enabled: false}},
        resultTypes: ['violations']})
    .then(result => result.violations.map(violation => [violation.id, violation.nodes[0].html]))"""
# Which elements are shown, and which of them to the eye.
SHOWN = """() => [...document.querySelectorAll('*')].map(element => {
    const {width, height} = element.getBoundingClientRect();
    return Number(element.checkVisibility({visibilityProperty: true})) + Number(width > 1 || height > 1);
}).join('')"""
# The rule of contrast takes three quarters of the time of all rules, and pages share most of their texts' appearances:
# it judges each appearance once. An appearance is all that the rule goes by: colours of the text and of what is behind
# it, size and weight, and whether the text is disabled, short, or not inside what is behind it. What is good in small
# letters is good in large ones.
APPEARANCES = """() => {
    const surroundings = new Map(), appearances = new Map();
    const hash = text => {
        let [a, b] = [0xdeadbeef, 0x41c6ce57];
        for (let i = 0; i < text.length; i++) {
            a = Math.imul(a ^ text.charCodeAt(i), 2654435761);
            b = Math.imul(b ^ text.charCodeAt(i), 1597334677);
        }
        return (a >>> 0).toString(36) + (b >>> 0).toString(36);
    };
    const isMoved = ({position, top, left, transform}) => ['absolute', 'fixed', 'sticky'].includes(position)
        || position === 'relative' && (top !== '0px' || left !== '0px') || transform !== 'none';
    // Of an element and everything around it: what is behind a text in it, and the boxes that a text can leave.
    const surroundingOf = element => {
        if (!element) return {key: '', boxes: [], loose: false};
        if (surroundings.has(element)) return surroundings.get(element);
        const around = surroundingOf(element.parentElement), style = getComputedStyle(element);
        const {backgroundColor, backgroundImage, opacity, mixBlendMode, overflow} = style;
        const painted = backgroundColor !== 'rgba(0, 0, 0, 0)' || backgroundImage !== 'none';
        const opaque = backgroundColor.startsWith('rgb(');
        const surrounding = {
            style,
            key: hash([around.key, painted ? backgroundColor + backgroundImage : '', opacity, mixBlendMode].join()),
            boxes: painted || overflow !== 'visible'
                ? [...around.boxes, element.getBoundingClientRect()] : around.boxes,
            // It can be over anything.
            loose: !opaque && (around.loose || isMoved(style)),
        };
        surroundings.set(element, surrounding);
        return surrounding;
    };
    let number = 0;
    for (const element of document.querySelectorAll('body, body *')) {
        const nodes = [...element.childNodes].filter(node => node.nodeType === Node.TEXT_NODE);
        const text = nodes.map(node => node.data).join('').trim();
        const control = element.matches('input, select, textarea');
        if (!(text || control) || !element.checkVisibility({visibilityProperty: true})) continue;
        const {style, boxes, key, loose} = surroundingOf(element), range = new Range();
        range.selectNodeContents(element);
        const box = (control ? element : range).getBoundingClientRect();
        if (box.width <= 1 && box.height <= 1) continue;
        const inside = boxes.map(({left, top, right, bottom}) =>
            box.left >= left - 1 && box.top >= top - 1 && box.right <= right + 1 && box.bottom <= bottom + 1);
        const disabled = element.closest(':disabled, [aria-disabled=true], [inert]') !== null
            || Boolean(element.closest('label')?.control?.disabled);
        const points = Math.ceil(parseFloat(style.fontSize) * 72) / 96;
        const own = [key, style.color, style.fontWeight, inside, disabled, element.id,
            style.textShadow !== 'none' && style.textShadow + style.fontSize,
            control && element.tagName + element.type, /[\\p{L}\\p{N}]{2}/u.test(text), loose && location + number++];
        const [known, small] = [points >= 14, false].map(large => hash([large, large && points >= 18, own].join()));
        appearances.set(known, {element, small});
    }
    window.appearances = appearances;
    return [...appearances].map(([known, {small}]) => [known, small]);
}"""
LOW_CONTRASTS = """keys => axe.run({include: keys.map(key => appearances.get(key).element)},
        {runOnly: ['color-contrast'], resultTypes: ['violations']})
    .then(result => result.violations.map(violation => [violation.id, violation.nodes[0].html]))"""
# Those that are known to be good.
_appearances: set[str] = set()


def check_accessibility(page: Page) -> None:
    """Fail when the page has a violation on any screen, is cut off, or has a target that is too small to touch."""
    page.evaluate(OPEN_ALL)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.evaluate(SET_FONT_SIZE, "100%")
    assert (small := small_targets(page)) == [], (page.url, small)
    page.evaluate(Axe().axe_script)
    check_rules(page)


def check_rules(page: Page) -> None:
    """Fail when a page, in which axe is loaded, violates a rule on any screen, or is cut off there."""
    checked: set[str] = set()
    for width, font_size, scheme, motion, rules in DISPLAYS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(SET_FONT_SIZE, font_size)
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        shown = page.evaluate(SHOWN)
        violations = page.evaluate(VIOLATIONS, LAYOUT_RULES if shown in checked else rules) if rules else []
        checked |= {shown} if rules else set()
        violations += low_contrasts(page)
        assert violations == [], (page.url, width, font_size, scheme, violations)
        assert wide_elements(page) == [], (page.url, width, font_size)


def low_contrasts(page: Page) -> list[Any]:
    """Texts with too little contrast whose appearance no page had before."""
    new = [key for key, small in page.evaluate(APPEARANCES) if _appearances.isdisjoint((key, small))]
    violations: list[Any] = page.evaluate(LOW_CONTRASTS, new) if new else []
    if not violations:
        _appearances.update(new)
    return violations


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
    small: list[Any] = page.evaluate(
        """() => [...document.querySelectorAll('a, button, input, select, summary')]
            .filter(element => element.checkVisibility() && !element.matches('.skip'))
            .map(element => [element, (element.closest('label') || element).getBoundingClientRect().height])
            .filter(([, height]) => height < 43.5)
            .map(([element, height]) => [element.outerHTML.slice(0, 90), height])""",
    )
    return small
