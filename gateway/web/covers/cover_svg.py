"""Drawing of covers with title, author and the colours of the class, as SVG without styles or scripts. Pure.

All covers have one motif of Minangkabau weaving, pucuak rabuang (bamboo shoots), which borders the pages too.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 240, 360
MARGIN = 20
BAND = 100  # height of the motif at the top
CREAM = "#fbeedb"
SHOOT = "M0 10 8 0l8 10ZM4.5 10 8 5.5l3.5 4.5ZM7 10l1-1.4L9 10Z"  # in a tile of 16 by 10 units, even-odd
# By the hundreds digit of the class; "x" for records without a class. Darker than on pages (styles/3-parts.css).
BACKGROUNDS = {
    "0": "#4d443d", "1": "#452f59", "2": "#1d4d3b", "3": "#70351a", "4": "#244863", "5": "#3c521b", "6": "#65450a",
    "7": "#6f2443", "8": "#6b1712", "9": "#22376b", "x": "#5d5046",
}  # fmt: skip
# Gold, silver, copper and straw; the second digit of the class selects one.
MOTIF_COLOURS = ("#e0b252", "#d5d8dc", "#e39a6b", "#d8cf8a")
LONGEST_AUTHOR = 60
_TITLE_HEIGHT, _AUTHOR_COLUMNS = 160, 22
_SIZES = (32, 26, 21, 17)
_LINE = 1.16  # height of a line, relative to the font size
# Mean width of a bold letter of the widest serif font in use, relative to the font size.
_LETTER = 0.64
_AFTER_HYPHEN = re.compile(r"\s+|(?<=-)")
_WORD_BREAKS = re.compile(r"[\s\W_]+")


def cover(*, title: str, author: str, ddc: str) -> bytes:
    """Draw a cover as SVG; the same arguments give the same bytes.

    ddc  its first digit selects the background, the second the colour of the motif; any text is accepted
    """
    title, author = printable(title) or "–", printable(author)[:LONGEST_AUTHOR]
    background, motif = colours(ddc)
    size, lines = fit(title, sizes=_SIZES, width=WIDTH - 2 * MARGIN, height=_TITLE_HEIGHT, letter=_LETTER, line=_LINE)
    side, direction = _side(title)
    title_lines = (
        f'<tspan x="{side}" y="{BAND + 18 + size + at * size * _LINE:.0f}">{escape(line)}</tspan>'
        for at, line in enumerate(lines)
    )
    author_lines = (
        f'<text x="{side}" y="{HEIGHT - 38 - 18 * back}" font-size="14" fill="{motif}">{escape(line)}</text>'
        for back, line in enumerate(reversed(wrap(author, _AUTHOR_COLUMNS, 2)))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        '<defs><pattern id="w" width="16" height="10" patternUnits="userSpaceOnUse" patternTransform="scale(2)">'
        f'<path d="{SHOOT}" fill="{motif}" fill-rule="evenodd"/></pattern></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{background}"/><path fill="url(#w)" '
        f'd="M0 0h{WIDTH}v{BAND}H0zM0 {HEIGHT - 20}h{WIDTH}v20H0z"/>'
        f'<g fill="{CREAM}" font-family="Palatino Linotype,Palatino,Noto Serif,Georgia,serif" {direction}>'
        f'<text font-size="{size}" font-weight="600">{"".join(title_lines)}</text>{"".join(author_lines)}</g></svg>'
    ).encode()


def colours(ddc: str) -> tuple[str, str]:
    """Return background and colour of the motif of a class."""
    second = ddc[1:2] if ddc[1:2].isascii() and ddc[1:2].isdigit() else "0"
    return BACKGROUNDS.get(ddc[:1], BACKGROUNDS["x"]), MOTIF_COLOURS[int(second) % len(MOTIF_COLOURS)]


def initials(title: str) -> str:
    """Return at most two initials of a title, for a small cover."""
    words = [word for word in _WORD_BREAKS.split(printable(title)) if word[:1].isalpha()]
    return "".join(unicodedata.normalize("NFC", word)[0].upper() for word in words[:2])[:2]


def fit(
    text: str, *, sizes: Sequence[int], width: int, height: int, letter: float, line: float
) -> tuple[int, list[str]]:
    """Return the largest font size with which words fit into lines and lines into the height, and the lines.

    letter, line  width of a letter and height of a line, relative to the font size
    """
    longest = max((columns(part) for part in _AFTER_HYPHEN.split(text)), default=0)
    for size in sizes:
        fits, most = int(width / (size * letter)), int(height / (size * line))
        if longest <= fits and len(wrap(text, fits, 99)) <= most:
            break
    return size, wrap(text, fits, most)


def printable(text: str) -> str:
    """Return the text with single spaces, without control characters and other invisible characters."""
    visible = "".join(character if unicodedata.category(character)[0] != "C" else " " for character in text[:2_000])
    return " ".join(visible.split())


def columns(text: str) -> int:
    """Return the width of a text in columns, twice its letters when it has wide East Asian ones."""
    is_wide = any(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) * (2 if is_wide else 1)


def wrap(text: str, width: int, most: int) -> list[str]:
    """Wrap a text into at most `most` lines of at most `width` columns. A text that is too long ends in an ellipsis."""
    letters = max(1, width * len(text) // max(1, columns(text)))
    return textwrap.wrap(text, letters, max_lines=most, placeholder="…")


def _side(text: str) -> tuple[int, str]:
    """Return the x position of lines and their SVG attributes; a right-to-left script begins at the right."""
    directions = (unicodedata.bidirectional(character) for character in text)
    strong = next((direction for direction in directions if direction in ("L", "R", "AL")), "L")
    return (MARGIN, "") if strong == "L" else (WIDTH - MARGIN, 'direction="rtl"')
