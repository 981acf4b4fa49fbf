"""Draw a cover: title, author, and a weave that the class chooses. Pure; SVG that needs no style and no script."""

from __future__ import annotations

import unicodedata
from html import escape

from gateway.web.motifs import THREADS, TILE, motif, weave_of

WIDTH, HEIGHT = 240, 360
MARGIN = 20
CREAM = "#fbeedb"
MOST_TITLE_LINES = 6
LONGEST_AUTHOR = 60
_AUTHOR_SIZE = 14
# (longest title in columns, size of its letters)
_SIZES = ((18, 32), (40, 26), (80, 21), (10_000, 17))
# Mean width of a bold letter of the widest serif face we meet, of its size.
_LETTER = 0.64


def cover(*, title: str, author: str, ddc: str) -> bytes:
    """A cover as SVG, the same for the same facts.

    ddc  seeds the weave: first digit the motif and ground, second the thread, third the scale; any text will do
    """
    title, author = printable(title) or "–", printable(author)
    weave = weave_of(ddc)
    digits = [int(each) for each in ddc[:3] if each.isascii() and each.isdigit()]
    second, third = [*digits, 0, 0, 0][1:3]
    thread = THREADS[second % len(THREADS)]
    scale = (2, 1.5, 3, 2.5)[third % 4]
    band = 96 + second % 3 * 12
    size = _size(title)
    lines = wrapped(title, _fit(size), MOST_TITLE_LINES)
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
                for back, line in enumerate(reversed(wrapped(author[:LONGEST_AUTHOR], _fit(_AUTHOR_SIZE), 2)))
            ),
            "</g></svg>",
        )
    ).encode()


def _fit(size: int) -> int:
    return int((WIDTH - 2 * MARGIN) / (size * _LETTER))


def _size(title: str) -> int:
    """The biggest letters for a title of this length in which its longest word still fits a line."""
    longest_word = max(columns(word) for word in title.split())
    size = next(size for longest, size in _SIZES if columns(title) <= longest)
    return next((each for _, each in _SIZES if each <= size and longest_word <= _fit(each)), _SIZES[-1][1])


def printable(text: str) -> str:
    """Text in single spaces, without what XML cannot hold or nobody can see."""
    seen = "".join(each if unicodedata.category(each)[0] != "C" else " " for each in text[:2_000])
    return " ".join(seen.split())


def columns(text: str) -> int:
    """Width of a text in letters; East Asian ones are two wide, marks that sit on others none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def wrapped(text: str, width: int, most: int) -> list[str]:
    """At most `most` lines of at most `width` columns; what does not fit ends in an ellipsis."""
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
    """A word that is longer than a line, cut."""
    pieces, piece = [], ""
    for each in word:
        if columns(piece + each) > width:
            pieces.append(piece)
            piece = ""
        piece += each
    return [*pieces, piece]


def _side(text: str) -> tuple[int, str]:
    """Where lines begin: at the right for a script that runs to the left."""
    strong = next((kind for each in text if (kind := unicodedata.bidirectional(each)) in ("L", "R", "AL")), "L")
    return (MARGIN, "") if strong == "L" else (WIDTH - MARGIN, 'direction="rtl"')
