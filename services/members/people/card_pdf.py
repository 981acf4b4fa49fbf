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
_USUAL_COLOUR = "#1c2e42"
_BAND = 13.0  # height of the coloured band
# Length of a cut mark, and its distance from the cards.
_MARK, _MARK_GAP = 5.0, 1.5


@dataclass(frozen=True, slots=True)
class Design:
    """What the cards of a library have in common.

    address  in one line; may be empty
    colour   "#rrggbb" of the band; "" for the usual one
    logo     PNG, JPEG or WebP; empty without a logo
    """

    address: str = ""
    colour: str = ""
    logo: bytes = b""


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


def print_cards(cards: Sequence[PrintedCard], *, layout: str, design: Design) -> bytes:
    """Return a PDF.

    layout  "card": one page for each side of a card
            "sheet": A4 pages with ten fronts and cut marks, each followed by a page of backs
    """
    # Local imports: they take 0.2 s, and only printing needs them.
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    logo = ImageReader(io.BytesIO(design.logo)) if design.logo else None
    buffer = io.BytesIO()
    size = (WIDTH * _MM, HEIGHT * _MM) if layout == "card" else (_A4[0] * _MM, _A4[1] * _MM)
    canvas = Canvas(buffer, pagesize=size, invariant=1)
    canvas.setTitle("Kartu anggota")
    if layout == "card":
        for card in cards:
            _front(canvas, card, design, logo)
            canvas.showPage()
            _back(canvas, card, design)
            canvas.showPage()
    else:
        for start in range(0, len(cards), _COLUMNS * _ROWS):
            page = cards[start : start + _COLUMNS * _ROWS]
            for is_back in (False, True):
                _cut_marks(canvas)
                for place, card in enumerate(page):
                    canvas.saveState()
                    canvas.translate(*_corner(place, is_back=is_back))
                    _back(canvas, card, design) if is_back else _front(canvas, card, design, logo)
                    canvas.restoreState()
                canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def text_colour(background: str) -> str:
    """Return black or white, whichever has the higher contrast (WCAG 2.2); it is at least 4.5 on every colour."""
    channels = [int(background[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"


def _corner(place: int, *, is_back: bool) -> tuple[float, float]:
    """Return the lower left corner of a card. The columns of the backs are swapped, for printing on both sides."""
    row, column = divmod(place, _COLUMNS)
    column = _COLUMNS - 1 - column if is_back else column
    return (_LEFT + column * WIDTH) * _MM, (_BOTTOM + (_ROWS - 1 - row) * HEIGHT) * _MM


def _cut_marks(canvas: Any) -> None:
    """Draw marks outside the cards, at both ends of each cut."""
    canvas.setLineWidth(0.4)
    canvas.setStrokeGray(0)
    right, top = _LEFT + _COLUMNS * WIDTH + _MARK_GAP, _BOTTOM + _ROWS * HEIGHT + _MARK_GAP
    left, bottom = _LEFT - _MARK_GAP, _BOTTOM - _MARK_GAP
    ends = [(x, y, x, y + length) for x in (_LEFT + column * WIDTH for column in range(_COLUMNS + 1))
            for y, length in ((bottom, -_MARK), (top, _MARK))]  # fmt: skip
    ends += [(x, y, x + length, y) for y in (_BOTTOM + row * HEIGHT for row in range(_ROWS + 1))
             for x, length in ((left, -_MARK), (right, _MARK))]  # fmt: skip
    canvas.lines([tuple(millimetres * _MM for millimetres in line) for line in ends])


def _front(canvas: Any, card: PrintedCard, design: Design, logo: Any) -> None:
    _outline(canvas)
    band = design.colour or _USUAL_COLOUR
    canvas.setFillColor(band)
    canvas.rect(0, (HEIGHT - _BAND) * _MM, WIDTH * _MM, _BAND * _MM, stroke=0, fill=1)
    left = 4.0
    if logo is not None:
        # On white, because a logo may have the colour of the band.
        side = _BAND - 3
        canvas.setFillGray(1)
        canvas.roundRect(left * _MM, (HEIGHT - _BAND + 1.5) * _MM, side * _MM, side * _MM, 1 * _MM, stroke=0, fill=1)
        place = {"x": (left + 0.7) * _MM, "y": (HEIGHT - _BAND + 2.2) * _MM}
        inner = (side - 1.4) * _MM
        canvas.drawImage(logo, **place, width=inner, height=inner, mask="auto", preserveAspectRatio=True, anchor="c")
        left += side + 2.5
    canvas.setFillColor(text_colour(band))
    width = WIDTH - left - 4
    _text(canvas, card.library, x=left, y=HEIGHT - (6 if design.address else 7.5), size=10, width=width, bold=True)
    _text(canvas, design.address, x=left, y=HEIGHT - 10, size=6.5, width=width)
    canvas.setFillColorRGB(*_DARK)
    _text(canvas, "Kartu anggota · Member card", x=4, y=HEIGHT - _BAND - 4, size=6, width=48)
    _name(canvas, card.name)
    _text(canvas, card.category, x=4, y=22, size=8, width=47)
    if card.ends_on is not None:
        _text(canvas, f"Berlaku s.d. {card.ends_on:%d-%m-%Y}", x=4, y=17.5, size=8, width=47)
    _text(canvas, card.number, x=4, y=6, size=11, width=47, bold=True)
    _qr(canvas, card.qr, x=WIDTH - 34, y=4, side=30)


def _outline(canvas: Any) -> None:
    canvas.setLineWidth(0.2)
    canvas.setStrokeGray(0.75)
    canvas.rect(0, 0, WIDTH * _MM, HEIGHT * _MM)


def _name(canvas: Any, name: str) -> None:
    """Write a name: smaller when it is long, and on two lines when it would be smaller than 9 points."""
    text, font, width = printable(name), "Helvetica-Bold", 47.0
    words = text.split()
    if canvas.stringWidth(text, font, 9) <= width * _MM or len(words) < 2:
        _text(canvas, text, x=4, y=28, size=12, width=width, bold=True)
        return
    pairs = [(" ".join(words[:cut]), " ".join(words[cut:])) for cut in range(1, len(words))]
    upper, lower = min(pairs, key=lambda pair: max(canvas.stringWidth(line, font, 9) for line in pair))
    _text(canvas, upper, x=4, y=31, size=9, width=width, bold=True)
    _text(canvas, lower, x=4, y=27, size=9, width=width, bold=True)


def _back(canvas: Any, card: PrintedCard, design: Design) -> None:
    from reportlab.graphics.barcode.code128 import Code128

    _outline(canvas)
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
    _text(canvas, card.library, x=8, y=45, size=8, width=WIDTH - 16, bold=True)
    _text(canvas, design.address, x=8, y=41.5, size=6.5, width=WIDTH - 16)


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
