"""Labels as PDF with real text: the call number for the spine, the barcode in Code 128, or both."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.catalog.cataloguing.labels.sheets import Sheet

KINDS = ("both", "spine", "barcode")
_MM = 72 / 25.4
# Millimetres: between the edge of a label and its content, because printers are not exact; and between the parts.
_PADDING, _GAP = 2.0, 1.5
# The spine's part of the width of a label that has both, and its largest width.
_SPINE_PART, _WIDEST_SPINE = 0.36, 32.0
# Millimetres: the narrowest bar that office printers print and desk scanners read, and the widest that looks well.
_NARROWEST, _WIDEST = 0.19, 0.42
_QUIET = 10  # modules on both sides of a barcode, ISO/IEC 15417
_TALLEST_BARS, _SMALL, _SMALLEST = 14.0, 6.0, 5.0
_LARGEST_NUMBER, _LARGEST_SPINE, _SMALLEST_UNDIVIDED = 9.0, 18.0, 9.0
_ABOVE_BARS = 1.5
_ROUNDING = 0.01
_LEADING = 1.15
_REGULAR, _BOLD = "Helvetica", "Helvetica-Bold"


@dataclass(frozen=True, slots=True)
class PrintedLabel:
    """The content of a label.

    library  name of the institution
    spine    lines of the call number
    """

    library: str
    barcode: str
    title: str = ""
    spine: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Box:
    """A part of a label, in points from the bottom left of the page."""

    x: float
    y: float
    width: float
    height: float


def print_labels(
    labels: Sequence[PrintedLabel], sheet: Sheet, *, kind: str, start: int = 1, outlines: bool = False
) -> bytes:
    """Return a PDF.

    kind      one of KINDS
    start     place of the first label on the first sheet, row by row; 1 is the top left
    outlines  draw the outline of each label
    """
    # A local import: it takes 0.2 s, and only printing needs it.
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(sheet.page_width * _MM, sheet.page_height * _MM), invariant=1)
    canvas.setTitle("Label")
    for place, label in enumerate(labels, start - 1):
        if place % sheet.labels == 0 and place > start - 1:
            canvas.showPage()
        box = _box(sheet, place % sheet.labels)
        if outlines:
            _outline(canvas, box)
        _draw(canvas, label, _inner(box), kind)
    canvas.save()
    return buffer.getvalue()


def print_outlines(sheet: Sheet) -> bytes:
    """Return a PDF with the outline, the place and the size of each label of a sheet, to compare it with the paper."""
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(sheet.page_width * _MM, sheet.page_height * _MM), invariant=1)
    canvas.setTitle(sheet.name.id)
    size = f"{sheet.width:g} × {sheet.height:g} mm"
    for place in range(sheet.labels):
        box = _box(sheet, place)
        _outline(canvas, box)
        middle, centre = box.x + box.width / 2, box.y + box.height / 2
        _line(canvas, str(place + 1), middle, centre, size=14, width=box.width, font=_BOLD)
        _line(canvas, size, middle, centre - 9, size=7, width=box.width - 4)
    canvas.save()
    return buffer.getvalue()


def _box(sheet: Sheet, place: int) -> _Box:
    row, column = divmod(place, sheet.columns)
    left, top = sheet.left + column * sheet.pitch_x, sheet.top + row * sheet.pitch_y
    return _Box(left * _MM, (sheet.page_height - top - sheet.height) * _MM, sheet.width * _MM, sheet.height * _MM)


def _inner(box: _Box) -> _Box:
    padding = min(_PADDING * _MM, box.width / 10, box.height / 10)
    return _Box(box.x + padding, box.y + padding, box.width - 2 * padding, box.height - 2 * padding)


def _outline(canvas: Any, box: _Box) -> None:
    canvas.saveState()
    canvas.setLineWidth(0.3)
    canvas.setStrokeGray(0.6)
    canvas.rect(box.x, box.y, box.width, box.height)
    canvas.restoreState()


def _draw(canvas: Any, label: PrintedLabel, box: _Box, kind: str) -> None:
    if kind == "spine" or not label.barcode:
        _draw_spine(canvas, label, box)
        return
    bars = _bars(label.barcode)
    if kind == "barcode" or not label.spine:
        _draw_barcode(canvas, label, box, bars)
        return
    spine = min(_WIDEST_SPINE * _MM, box.width * _SPINE_PART)
    beside = _Box(box.x + spine + _GAP * _MM, box.y, box.width - spine - _GAP * _MM, box.height)
    if _module(bars, beside.width) or not _module(bars, box.width):
        _draw_spine(canvas, label, _Box(box.x, box.y, spine, box.height))
        _draw_barcode(canvas, label, beside, bars)
    else:
        half = (box.height - _GAP * _MM) / 2
        _draw_spine(canvas, label, _Box(box.x, box.y + box.height - half, box.width, half))
        _draw_barcode(canvas, label, _Box(box.x, box.y, box.width, half), bars)


def _draw_spine(canvas: Any, label: PrintedLabel, box: _Box) -> None:
    """Write the lines of the call number in the middle, as large as they fit."""
    size, lines = _fitted(label.spine, box)
    top = box.y + (box.height + len(lines) * size * _LEADING) / 2
    for place, line in enumerate(lines):
        baseline = top - (place + 0.8) * size * _LEADING
        _line(canvas, line, box.x + box.width / 2, baseline, size=size, width=box.width, font=_BOLD)


def _fitted(lines: Sequence[str], box: _Box) -> tuple[float, list[str]]:
    """Return a size of letters, and the lines in this size: whole ones when they fit, else divided between words."""
    from chassis.pdf_paragraph import width_of

    widest = max((width_of(line, _BOLD, 1) for line in lines), default=1)
    size = min(_LARGEST_SPINE, box.width / widest, box.height / (max(len(lines), 1) * _LEADING))
    if size >= _SMALLEST_UNDIVIDED:
        return size, list(lines)
    widths = {word: width_of(word, _BOLD, 1) for line in lines for word in [*line.split(), " "]}
    size = _LARGEST_SPINE
    while size > _SMALLEST:
        divided = [part for line in lines for part in _divided(line, widths, box.width / size)]
        fits = all(widths.get(part, 0) * size <= box.width for part in divided)
        if fits and len(divided) * size * _LEADING <= box.height:
            return size, divided
        size -= 0.5
    divided = [part for line in lines for part in _divided(line, widths, box.width / size)]
    return size, divided[: max(1, int(box.height / (size * _LEADING)))]


def _divided(line: str, widths: Mapping[str, float], most: float) -> list[str]:
    """Divide a line between words. widths: of words and of a blank"""
    parts: list[str] = []
    width = 0.0
    for word in line.split():
        if parts and width + widths[" "] + widths[word] <= most:
            parts[-1] += f" {word}"
            width += widths[" "] + widths[word]
        else:
            parts.append(word)
            width = widths[word]
    return parts


def _draw_barcode(canvas: Any, label: PrintedLabel, box: _Box, bars: Any) -> None:
    """Draw library, bars, number and title from top to bottom, in the middle of the height."""
    module = _module(bars, box.width)
    texts = _SMALL * _LEADING * (2 if label.title else 1) + _ABOVE_BARS
    number = _LARGEST_NUMBER * _LEADING
    height = min(_TALLEST_BARS * _MM, box.height - texts - number) if module else 0.0
    middle = box.x + box.width / 2
    top = box.y + (box.height + texts + number + max(height, 0)) / 2
    _line(canvas, label.library, middle, top - _SMALL, size=_SMALL, width=box.width)
    top -= _SMALL * _LEADING + _ABOVE_BARS + max(height, 0)
    if height > 0:
        canvas.setFillGray(0)
        _draw_bars(canvas, bars, middle, top, module=module, height=height)
    # A number is never cut.
    _line(canvas, label.barcode, middle, top - _LARGEST_NUMBER, size=_LARGEST_NUMBER, width=box.width, smallest=1)
    if label.title:
        title_line = top - number - _SMALL
        _line(canvas, label.title, middle, title_line, size=_SMALL, width=box.width)


def _bars(barcode: str) -> list[tuple[int, int]]:
    """Return the bars of Code 128 as (start, width) in modules; none when it has no sign for a character."""
    from reportlab.graphics.barcode.code128 import Code128

    if not barcode.isascii() or not barcode.isprintable():
        return []
    code = Code128(barcode, quiet=False)
    code.validate()
    code.encode()
    code.decompose()
    bars, at = [], 0
    for sign in code.decomposed:
        # An upper-case letter is a bar, a lower-case one a space, of A = 1 to D = 4 modules.
        width = ord(sign.lower()) - ord("a") + 1
        if sign.isupper():
            bars.append((at, width))
        at += width
    return bars


def _module(bars: Sequence[tuple[int, int]], width: float) -> float:
    """Return the width of a module with which the bars fit, in points; 0 when scanners could not read them."""
    if not bars:
        return 0
    modules = bars[-1][0] + bars[-1][1] + 2 * _QUIET
    module = width / modules
    return min(module, _WIDEST * _MM) if module >= _NARROWEST * _MM else 0


def _draw_bars(
    canvas: Any, bars: Sequence[tuple[int, int]], middle: float, y: float, *, module: float, height: float
) -> None:
    left = middle - (bars[-1][0] + bars[-1][1]) * module / 2
    path = canvas.beginPath()
    for start, width in bars:
        path.rect(left + start * module, y, width * module, height)
    canvas.drawPath(path, stroke=0, fill=1)


def _line(
    canvas: Any,
    text: str,
    middle: float,
    y: float,
    *,
    size: float,
    width: float,
    font: str = _REGULAR,
    smallest: float = _SMALLEST,
) -> None:
    """Write a line around a middle: in a smaller size, then cut with an ellipsis, when it is too long."""
    from chassis.pdf_paragraph import draw_line

    text, size = _shortened(text, font, size, width, smallest)
    canvas.setFillGray(0)
    draw_line(canvas, text, middle, y, font=font, size=size)


@lru_cache(maxsize=1024)
def _shortened(text: str, font: str, size: float, width: float, smallest: float) -> tuple[str, float]:
    from chassis.pdf_paragraph import width_of

    wide = width_of(text, font, 1)
    if wide * size > width:
        size = max(smallest, width / wide)
    if wide * size > width + _ROUNDING:
        count = bisect_right(range(len(text)), width, key=lambda end: width_of(f"{text[:end]}…", font, size)) - 1
        text = f"{text[: max(count, 0)].rstrip()}…"
    return text, size
