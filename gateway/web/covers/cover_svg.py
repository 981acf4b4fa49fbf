"""Drawing of covers with title, author and the motif of the class, as SVG without styles or scripts. Pure."""

from __future__ import annotations

import re
import unicodedata
from html import escape
from zlib import crc32

from gateway.web.covers.motifs import THREADS, TILE, motif, weave_of

WIDTH, HEIGHT = 240, 360
MARGIN = 20
CREAM = "#fbeedb"
MOST_TITLE_LINES = 6
_AFTER_HYPHEN = re.compile(r"\s+|(?<=-)")
SMALL_COVERS = 6
_WORD_BREAKS = re.compile(r"[\s\W_]+")
LONGEST_AUTHOR = 60
_AUTHOR_SIZE = 14
# (maximum length of the title in columns, font size)
_SIZES = ((18, 32), (40, 26), (80, 21), (10_000, 17))
# Mean width of a bold letter of the widest serif font in use, relative to the font size.
_LETTER = 0.64


def cover(*, title: str, author: str, ddc: str) -> bytes:
    """Draw a cover as SVG; the same arguments give the same bytes.

    ddc  its first digit selects motif and ground, the second the thread, the third the scale; any text is accepted
    """
    title, author = printable(title) or "–", printable(author)
    weave = weave_of(ddc)
    digits = [int(character) for character in ddc[:3] if character.isascii() and character.isdigit()]
    second, third = [*digits, 0, 0, 0][1:3]
    thread = THREADS[second % len(THREADS)]
    scale = (2, 1.5, 3, 2.5)[third % 4]
    band = 96 + second % 3 * 12
    size = _size(title)
    lines = wrap(title, _fit(size), MOST_TITLE_LINES)
    top = band + 22 + size
    side, anchor = _side(title)
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" ',
            f'width="{WIDTH}" height="{HEIGHT}">',
            f'<defs><pattern id="w" width="{TILE}" height="{TILE}" patternUnits="userSpaceOnUse" ',
            f'patternTransform="scale({scale})">{motif(weave, thread)}</pattern>',
            '<pattern id="r" width="16" height="12" patternUnits="userSpaceOnUse" ',
            f'patternTransform="translate(0 {band})"><path d="M0 0h16L8 12z" fill="{thread}"/>',
            f'<path d="M5 1.5h6L8 6z" fill="{weave.ground}"/></pattern></defs>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{weave.ground}"/>',
            f'<rect width="{WIDTH}" height="{band - 6}" fill="#000" fill-opacity=".18"/>',
            f'<rect width="{WIDTH}" height="{band - 6}" fill="url(#w)" fill-opacity=".85"/>',
            f'<path d="M0 {band - 4}h{WIDTH}" stroke="{thread}" stroke-width="2"/>',
            f'<path id="b" d="M0 {band}h{WIDTH}v12H0z" fill="url(#r)"/>',
            f'<use href="#b" transform="matrix(1 0 0 -1 0 {HEIGHT + band})"/>',
            f'<g fill="{CREAM}" font-family="Palatino Linotype,Palatino,Noto Serif,Georgia,serif" {anchor}>',
            f'<text font-size="{size}" font-weight="600">',
            *(
                f'<tspan x="{side}" y="{top + at * size * 1.16:.0f}">{escape(line)}</tspan>'
                for at, line in enumerate(lines)
            ),
            "</text>",
            *(
                f'<text x="{side}" y="{HEIGHT - 28 - 18 * back}" font-size="{_AUTHOR_SIZE}" fill="{thread}">'
                f"{escape(line)}</text>"
                for back, line in enumerate(reversed(wrap(author[:LONGEST_AUTHOR], _fit(_AUTHOR_SIZE), 2)))
            ),
            "</g></svg>",
        )
    ).encode()


def small_cover(title: str) -> tuple[str, int]:
    """Return at most two initials of a title, and the number of its drawing, below SMALL_COVERS."""
    text = printable(title)
    words = [word for word in _WORD_BREAKS.split(text) if word[:1].isalpha()]
    initials = "".join(unicodedata.normalize("NFC", word)[0].upper() for word in words[:2])
    return initials[:2], crc32(text.encode("utf-8", "surrogatepass")) % SMALL_COVERS


def _fit(size: int) -> int:
    return int((WIDTH - 2 * MARGIN) / (size * _LETTER))


def _size(title: str) -> int:
    """Return the largest font size for a title of this length with which the longest word fits into a line."""
    longest_word = longest_part(title)
    size = next(size for longest, size in _SIZES if columns(title) <= longest)
    smaller = (other for _, other in _SIZES if other <= size)
    return next((other for other in smaller if longest_word <= _fit(other)), _SIZES[-1][1])


def longest_part(text: str) -> int:
    """Return the columns of the longest unbreakable part of a text: a word, or a part of it up to a hyphen."""
    return max((columns(part) for part in _AFTER_HYPHEN.split(text)), default=0)


def printable(text: str) -> str:
    """Return the text with single spaces, without control characters and other invisible characters."""
    visible = "".join(character if unicodedata.category(character)[0] != "C" else " " for character in text[:2_000])
    return " ".join(visible.split())


def columns(text: str) -> int:
    """Return the width of a text in columns. Wide East Asian characters count 2, combining marks 0."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def wrap(text: str, width: int, most: int) -> list[str]:
    """Wrap a text into at most `most` lines of at most `width` columns. A text that is too long ends in an ellipsis."""
    lines: list[str] = [""]
    for word in text.split():
        for piece in _pieces(word, width):
            joined = f"{lines[-1]} {piece}".strip()
            if columns(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(piece)
    if len(lines) > most:
        last = lines[most - 1]
        while columns(last) >= width:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last.rstrip(' ,.;:')}…"]
    return [line for line in lines if line]


def _pieces(word: str, width: int) -> list[str]:
    """Split a word that is longer than a line, if possible after a hyphen."""
    pieces, piece = [], ""
    for character in word:
        if columns(piece + character) > width:
            end = piece.rfind("-") + 1 or len(piece)
            pieces.append(piece[:end])
            piece = piece[end:]
        piece += character
    return [*pieces, piece]


def _side(text: str) -> tuple[int, str]:
    """Return the x position of lines and their SVG attributes; a right-to-left script begins at the right."""
    directions = (unicodedata.bidirectional(character) for character in text)
    strong = next((direction for direction in directions if direction in ("L", "R", "AL")), "L")
    return (MARGIN, "") if strong == "L" else (WIDTH - MARGIN, 'direction="rtl"')
