"""The accession register as PDF: A4 landscape, repeated headings, totals of each page, and lines for signatures.

Rows are drawn one by one, and reportlab keeps each finished page compressed, so that a long register needs little
memory. Texts of Latin script are written as operators of the page, because reportlab takes ten times as long for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, BinaryIO

from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from chassis.output import printable, visible
from chassis.pdf_paragraph import PdfParagraph, has_arabic, marked_up
from gateway.registers.layouts import Column, Sums, Value, Words, values_of
from rangkiang.catalog.v1 import register_pb2 as wire

# Points.
WIDTH, HEIGHT = 841.89, 595.28
_MARGIN, _TOP = 28.0, HEIGHT - 26.0
_SIZE, _LEADING, _PADDING = 6.5, 7.6, 2.2
_TITLE, _TOTALS, _FOOT = 46.0, 34.0, 22.0  # heights of the parts of a page besides its rows
_MOST_LINES = 4
_LONGEST_ARABIC = 90
_SIGNATURES = 96.0
_TEXT, _BOLD = "Helvetica", "Helvetica-Bold"
_CELL = ParagraphStyle("cell", fontName=_TEXT, fontSize=_SIZE, leading=_LEADING + 2, splitLongWords=True)
_PAGES = "pages"  # the name of the form with the number of pages, which is known at the end


class RegisterPdf:
    """A register that is being written. Add entries, then finish."""

    def __init__(
        self, out: BinaryIO, columns: Sequence[Column], *, words: Words, library: str, scope: str, place: str = ""
    ) -> None:
        self._canvas: Any = Canvas(out, pagesize=(WIDTH, HEIGHT), invariant=1, pageCompression=1)
        self._words, self._library, self._scope = words, library, scope
        self._canvas.setTitle(f"{words.say('heading')}, {_clean(library)}")
        self._columns = columns
        unit = (WIDTH - 2 * _MARGIN) / sum(column.width for column in columns)
        self._lefts, self._widths = [], []
        left = _MARGIN
        for column in columns:
            self._lefts.append(left)
            self._widths.append(column.width * unit)
            left += column.width * unit
        self._headings = [
            _wrapped(column.heading, width - 2 * _PADDING, _BOLD)
            for column, width in zip(columns, self._widths, strict=True)
        ]
        self._page, self._rows = 0, 0
        self._sums, self._page_sums = Sums.empty(), Sums.empty()
        self._y = self._floor = 0.0
        self._lines: list[str] = []

    def add(self, entries: Iterable[wire.Accession]) -> None:
        """Draw entries below those before them."""
        for entry in entries:
            self._rows += 1
            values = values_of(self._columns, entry, self._rows, self._words)
            cells = [self._cell(*pair) for pair in zip(values, self._columns, self._widths, strict=True)]
            height = max(cell[1] for cell in cells) + 2 * _PADDING
            if not self._page:
                self._begin_page()
            elif self._y - height < self._floor:
                self._end_page()
                self._begin_page()
            self._draw_row(cells, height)
            self._page_sums.add(entry)

    def finish(self, gaps: Iterable[wire.AccessionGap] = ()) -> Sums:
        """Draw the overall total, the numbers that are not given and the lines for signatures. Returns the sums."""
        if not self._page:
            self._begin_page()
        self._end_table()
        total = self._sums
        if self._y - 30 - _SIGNATURES < _FOOT:
            self._next_blank_page()
        self._y -= 12
        self._write(_MARGIN, self._y, f"{self._words.say('total')}: {self._words.all_sums(total)}", _BOLD, 8)
        lines = [self._words.gap(gap) for gap in gaps]
        for place, line in enumerate([self._words.say("gaps"), *lines] if lines else []):
            self._y -= 14 if place == 0 else 10
            if self._y < _FOOT + 20:
                self._next_blank_page()
            self._write(_MARGIN, self._y, line, _TEXT if place else _BOLD, 7.5)
        if self._y - _SIGNATURES < _FOOT:
            self._next_blank_page()
        self._sign()
        self._show_page()
        self._canvas.beginForm(_PAGES, 0, -5, 60, 20)
        self._canvas.setFont(_TEXT, 7)
        self._canvas.drawString(0, 0, self._words.number(self._page))
        self._canvas.endForm()
        self._canvas.save()
        return total

    def _begin_page(self) -> None:
        self._page += 1
        self._page_sums = Sums.empty()
        self._title()
        heights = max(len(lines) for lines in self._headings) * _LEADING + 2 * _PADDING
        self._y = _TOP - _TITLE
        self._lines.append(f"q 0.92 g {_MARGIN:.2f} {self._y - heights:.2f} {self._width:.2f} {heights:.2f} re f Q")
        self._line(self._y)
        self._font(_BOLD, _SIZE)
        for left, lines in zip(self._lefts, self._headings, strict=True):
            for place, line in enumerate(lines):
                self._put(left + _PADDING, self._y - _PADDING - _SIZE - place * _LEADING, line)
        self._y -= heights
        self._line(self._y)
        self._font(_TEXT, _SIZE)
        self._floor = _FOOT + _TOTALS

    @property
    def _width(self) -> float:
        return WIDTH - 2 * _MARGIN

    def _title(self) -> None:
        self._write(_MARGIN, _TOP, self._library, _BOLD, 11)
        self._write(_MARGIN, _TOP - 15, self._words.say("heading"), _BOLD, 10)
        self._write(_MARGIN, _TOP - 27, self._scope, _TEXT, 8)

    def _cell(self, value: Value, column: Column, width: float) -> tuple[Any, float, bool]:
        """Return the lines of a cell or its paragraph, its height, and whether it is aligned to the right."""
        if isinstance(value, date):
            value = self._words.day(value.isoformat())
        is_right = column.kind in ("amount", "count")
        text = "" if value is None else self._words.number(value) if isinstance(value, int) else _clean(value)
        inner = width - 2 * _PADDING
        if not text.isascii() and has_arabic(text):
            paragraph = PdfParagraph(marked_up(text[:_LONGEST_ARABIC]), _CELL)
            return paragraph, paragraph.wrap(inner, HEIGHT)[1], False
        lines = _wrapped(text, inner, _TEXT, _MOST_LINES)
        return lines, max(len(lines), 1) * _LEADING, is_right

    def _draw_row(self, cells: Sequence[tuple[Any, float, bool]], height: float) -> None:
        for (content, tall, is_right), left, width in zip(cells, self._lefts, self._widths, strict=True):
            if not isinstance(content, list):
                self._flush()
                content.drawOn(self._canvas, left + _PADDING, self._y - _PADDING - tall)
                self._font(_TEXT, _SIZE)
                continue
            for place, line in enumerate(content):
                x = left + width - _PADDING - _width_of(line, _TEXT, _SIZE) if is_right else left + _PADDING
                self._put(x, self._y - _PADDING - _SIZE - place * _LEADING, line)
        self._y -= height
        self._line(self._y)

    def _end_table(self) -> None:
        """Draw the rules between the columns and the totals of the page."""
        top = _TOP - _TITLE
        for x in (*self._lefts, WIDTH - _MARGIN):
            self._lines.append(f"0.4 w {x:.2f} {top:.2f} m {x:.2f} {self._y:.2f} l S")
        carried, self._sums = self._sums, self._sums.plus(self._page_sums)
        for place, (name, sums) in enumerate(
            (("this_page", self._page_sums), ("carried", carried), ("so_far", self._sums))
        ):
            line = f"{self._words.say(name)}: {self._words.sums(sums)}"
            self._write(_MARGIN, self._y - 10 - place * 9, line, _TEXT, 7.5)
        self._y -= 10 + 2 * 9

    def _end_page(self) -> None:
        self._end_table()
        self._show_page()

    def _next_blank_page(self) -> None:
        self._show_page()
        self._page += 1
        self._title()
        self._y = _TOP - _TITLE

    def _show_page(self) -> None:
        text = self._words.say("page", page=self._words.number(self._page))
        self._flush()
        right = WIDTH - _MARGIN - 24
        self._write(right - 3 - _width_of(text, _TEXT, 7), _FOOT - 8, text, _TEXT, 7)
        self._flush()
        self._canvas.saveState()
        self._canvas.translate(right, _FOOT - 8)
        self._canvas.doForm(_PAGES)
        self._canvas.restoreState()
        self._canvas.showPage()

    def _sign(self) -> None:
        top, words = self._y - 26, self._words
        right = WIDTH - _MARGIN - 190
        self._write(right, top, words.say("place_and_day"), _TEXT, 8)
        for x, name in ((_MARGIN, "head"), (right, "officer")):
            self._write(x, top - 12, words.say(name), _TEXT, 8)
            self._lines.append(f"0.4 w {x:.2f} {top - 56:.2f} m {x + 170:.2f} {top - 56:.2f} l S")
            self._write(x, top - 66, words.say("nip"), _TEXT, 8)

    def _line(self, y: float) -> None:
        self._lines.append(f"0.4 w {_MARGIN:.2f} {y:.2f} m {WIDTH - _MARGIN:.2f} {y:.2f} l S")

    def _font(self, name: str, size: float) -> None:
        self._flush()
        self._canvas.setFont(name, size)

    def _write(self, x: float, y: float, text: str, font: str, size: float) -> None:
        """Write one line in a font, as a paragraph when it has Arabic letters. A long line is cut."""
        text = _clean(text)
        if has_arabic(text):
            style = ParagraphStyle("line", _CELL, fontName=font, fontSize=size, leading=size * 1.3)
            paragraph = PdfParagraph(marked_up(text[:_LONGEST_ARABIC]), style)
            tall = paragraph.wrap(WIDTH - _MARGIN - x, HEIGHT)[1]
            self._flush()
            paragraph.drawOn(self._canvas, x, y - tall + size)
        else:
            self._font(font, size)
            for line in _wrapped(text, WIDTH - _MARGIN - x, font, 1, size=size):
                self._put(x, y, line)
        self._font(_TEXT, _SIZE)

    def _put(self, x: float, y: float, line: str) -> None:
        if line:
            self._lines.append(f"BT 1 0 0 1 {x:.2f} {y:.2f} Tm ({_escaped(line)}) Tj ET")

    def _flush(self) -> None:
        if self._lines:
            self._canvas.addLiteral("\n".join(self._lines))
            self._lines.clear()


def _clean(text: str) -> str:
    """Return a text without control characters, in one line."""
    if not text.isprintable():
        text = visible(" ".join(text.split()))
    return text


def _escaped(line: str) -> str:
    """Return a string object of PDF in WinAnsiEncoding (ISO 32000-1 §7.3.4.2)."""
    if line.isascii() and "(" not in line and ")" not in line and "\\" not in line:
        return line
    data = line.encode("cp1252", "replace")
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b"()\\" else f"\\{byte:03o}" for byte in data)


def _width_of(text: str, font: str, size: float) -> float:
    widths = pdfmetrics.getFont(font).widths
    return float(sum([widths[byte] for byte in text.encode("cp1252", "replace")]) * size / 1000)


def _wrapped(text: str, width: float, font: str, most: int = 6, *, size: float = _SIZE) -> list[str]:
    """Break a text into lines that fit, with only letters that the font has. After `most` lines it is cut with "…"."""
    text = printable(text)
    if _width_of(text, font, size) <= width:
        return [text]
    lines, line = [], ""
    for word in text.split():
        rest = word
        joined = f"{line} {rest}" if line else rest
        if _width_of(joined, font, size) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        while len(lines) <= most and _width_of(rest, font, size) > width:
            cut = max(next(n for n in range(len(rest), 0, -1) if n == 1 or _width_of(rest[:n], font, size) <= width), 1)
            lines.append(rest[:cut])
            rest = rest[cut:]
        line = rest
        if len(lines) > most:
            break
    lines += [line] if line else []
    if len(lines) > most:
        last = lines[most - 1]
        while last and _width_of(f"{last}…", font, size) > width:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last}…"]
    return lines
