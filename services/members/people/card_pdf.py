"""Cards as PDF: pages of the size ID-1 (ISO/IEC 7810), or A4 sheets of ten for both sides, with Code 128 and QR."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chassis.output import printable

# Millimetres; ISO/IEC 7810 ID-1.
WIDTH, HEIGHT = 85.6, 53.98
_A4 = (210.0, 297.0)
_COLUMNS, _ROWS = 2, 5
_MM = 72 / 25.4
_LEFT, _BOTTOM = (_A4[0] - _COLUMNS * WIDTH) / 2, (_A4[1] - _ROWS * HEIGHT) / 2
_DARK = (0.11, 0.18, 0.26)


@dataclass(frozen=True, slots=True)
class PrintedCard:
    """The content of a printed card.

    library   name of the institution
    name      name of the member with titles
    category  name of the category
    ends_on   last day of the membership; None for a membership without an end
    qr        content of the QR code
    """

    library: str
    name: str
    number: str
    category: str
    ends_on: date | None
    qr: str


def print_cards(cards: Sequence[PrintedCard], *, layout: str) -> bytes:
    """Return a PDF.

    layout  "card": one page for each side of a card
            "sheet": A4 pages with ten fronts, each followed by a page of backs
    """
    # A local import: it takes 0.2 s, and only printing needs it.
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    size = (WIDTH * _MM, HEIGHT * _MM) if layout == "card" else (_A4[0] * _MM, _A4[1] * _MM)
    canvas = Canvas(buffer, pagesize=size, invariant=1)
    canvas.setTitle("Kartu anggota")
    if layout == "card":
        for card in cards:
            _front(canvas, card)
            canvas.showPage()
            _back(canvas, card)
            canvas.showPage()
    else:
        for start in range(0, len(cards), _COLUMNS * _ROWS):
            page = cards[start : start + _COLUMNS * _ROWS]
            for is_back in (False, True):
                _page(canvas, page, is_back=is_back)
    canvas.save()
    return buffer.getvalue()


def _page(canvas: Any, cards: Sequence[PrintedCard], *, is_back: bool) -> None:
    """Draw one side of a sheet. The columns of the backs are swapped, for printing on both sides of the paper."""
    for place, card in enumerate(cards):
        row, column = divmod(place, _COLUMNS)
        column = _COLUMNS - 1 - column if is_back else column
        canvas.saveState()
        canvas.translate((_LEFT + column * WIDTH) * _MM, (_BOTTOM + (_ROWS - 1 - row) * HEIGHT) * _MM)
        canvas.setLineWidth(0.2)
        canvas.setStrokeGray(0.7)
        canvas.rect(0, 0, WIDTH * _MM, HEIGHT * _MM)
        _back(canvas, card) if is_back else _front(canvas, card)
        canvas.restoreState()
    canvas.showPage()


def _front(canvas: Any, card: PrintedCard) -> None:
    canvas.setFillColorRGB(*_DARK)
    canvas.rect(0, (HEIGHT - 12) * _MM, WIDTH * _MM, 12 * _MM, stroke=0, fill=1)
    canvas.setFillGray(1)
    _text(canvas, card.library, x=4, y=HEIGHT - 6, size=10, width=WIDTH - 8, bold=True)
    _text(canvas, "Kartu anggota · Member card", x=4, y=HEIGHT - 10, size=6, width=WIDTH - 8)
    canvas.setFillColorRGB(*_DARK)
    _text(canvas, card.name, x=4, y=32, size=12, width=48, bold=True)
    _text(canvas, card.category, x=4, y=26, size=8, width=48)
    if card.ends_on is not None:
        _text(canvas, f"Berlaku s.d. {card.ends_on:%d-%m-%Y}", x=4, y=21, size=8, width=48)
    _text(canvas, card.number, x=4, y=6, size=11, width=48, bold=True)
    _qr(canvas, card.qr, x=WIDTH - 34, y=4, side=30)


def _back(canvas: Any, card: PrintedCard) -> None:
    from reportlab.graphics.barcode.code128 import Code128

    canvas.setFillGray(0)
    quiet, width = 5.0, WIDTH - 16
    barcode = Code128(card.number, barWidth=1, barHeight=16 * _MM, quiet=False)
    barcode.barWidth = min(width * _MM / barcode.width, 0.45 * _MM)
    barcode = Code128(card.number, barWidth=barcode.barWidth, barHeight=16 * _MM, quiet=False)
    barcode.drawOn(canvas, max(quiet * _MM, (WIDTH * _MM - barcode.width) / 2), 22 * _MM)
    canvas.setFillColorRGB(*_DARK)
    canvas.setFont("Helvetica", 10)
    canvas.drawCentredString(WIDTH / 2 * _MM, 17 * _MM, printable(card.number))
    canvas.setFont("Helvetica", 6)
    lines = ("Kartu hilang? Segera beri tahu perpustakaan.", "Lost your card? Tell the library at once.")
    for place, line in enumerate(lines):
        canvas.drawCentredString(WIDTH / 2 * _MM, (10 - 3.5 * place) * _MM, line)
    _text(canvas, card.library, x=8, y=44, size=8, width=WIDTH - 16, bold=True)


def _qr(canvas: Any, content: str, *, x: float, y: float, side: float) -> None:
    from reportlab.graphics import renderPDF
    from reportlab.graphics.barcode.qr import QrCodeWidget
    from reportlab.graphics.shapes import Drawing

    widget = QrCodeWidget(content, barLevel="M", barBorder=2)
    # Scanners read every mask; comparing all eight would take most of the time of a sheet.
    widget.qr.getBestMaskPattern = lambda: 0
    left, bottom, right, top = widget.getBounds()
    drawing = Drawing(
        side * _MM,
        side * _MM,
        transform=[side * _MM / (right - left), 0, 0, side * _MM / (top - bottom), 0, 0],
    )
    drawing.add(widget)
    renderPDF.draw(drawing, canvas, x * _MM, y * _MM)


def _text(canvas: Any, text: str, *, x: float, y: float, size: float, width: float, bold: bool = False) -> None:
    """Write one line: long lines in a smaller size, and very long lines cut."""
    font = "Helvetica-Bold" if bold else "Helvetica"
    text = printable(text)
    while canvas.stringWidth(text, font, size) > width * _MM and size > 5:
        size -= 0.5
    while text and canvas.stringWidth(text, font, size) > width * _MM:
        text = text[:-1]
    canvas.setFont(font, size)
    canvas.drawString(x * _MM, y * _MM, text)
