"""Paragraphs of PDF files: Helvetica, and Noto Sans Arabic for Arabic script, joined and from right to left.

Importing this module loads reportlab, which takes 0.2 s.
"""

from __future__ import annotations

import re
from typing import Any

import fontpkg_noto_sans_arabic
from markupsafe import escape
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import ShapeData, ShapedStr, TTFont, shapeStr
from reportlab.platypus import Paragraph

from chassis.output import printable

ARABIC = "NotoSansArabic"
_FILE = fontpkg_noto_sans_arabic.ROOT / "files" / "NotoSansArabic[wdth,wght].ttf"
_LETTER = "[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc]"
# From the first to the last Arabic letter, with what is between them and the brackets around them.
_RUN = re.compile(rf"[(\[«]*{_LETTER}(?:[\W\d_]*{_LETTER})*[)\]»]*")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")


def _registered() -> Any:
    font = TTFont(ARABIC, str(_FILE), shapable=True)
    pdfmetrics.registerFont(font)
    # The font has one weight.
    pdfmetrics.registerFontFamily(ARABIC, normal=ARABIC, bold=ARABIC, italic=ARABIC, boldItalic=ARABIC)
    return font


_FONT: Any = _registered()
# A blank without width. reportlab fails on a line whose first glyph is above or below the baseline.
_START = ShapedStr(" ", [ShapeData(0, 0, 0, 0, 0, _FONT.face.charWidths[0x20])])


def has_arabic(text: str) -> bool:
    """Return whether a text needs PdfParagraph for its letters."""
    return _RUN.search(text) is not None


def marked_up(text: str) -> str:
    """Return a text for the XML of reportlab, with only letters that the fonts have."""
    parts, end = [], 0
    for run in _RUN.finditer(text):
        parts += [escape(printable(text[end : run.start()])), f'<font name="{ARABIC}">{escape(_known(run[0]))}</font>']
        end = run.end()
    return "".join([*parts, escape(printable(text[end:]))])


def width_of(text: str, font: str, size: float) -> float:
    """Return the width of a line in points: that of its single letters, which is not narrower than with joined ones.

    font  of the letters that are not of Arabic script
    """
    width, end = 0.0, 0
    for run in _RUN.finditer(text):
        width += pdfmetrics.stringWidth(printable(text[end : run.start()]), font, size)
        width += pdfmetrics.stringWidth(_known(run[0]), ARABIC, size)
        end = run.end()
    return float(width + pdfmetrics.stringWidth(printable(text[end:]), font, size))


def draw_line(canvas: Any, text: str, middle: float, y: float, *, font: str, size: float) -> None:
    """Write a line around a middle, with its baseline at y; points."""
    if _RUN.search(text) is None:
        canvas.setFont(font, size)
        canvas.drawCentredString(middle, y, printable(text))
        return
    separate = width_of(text, font, size)
    runs = [_known(run) for run in _RUN.findall(text)]
    joined = separate - sum(pdfmetrics.stringWidth(run, ARABIC, size) - _joined_width(run, size) for run in runs)
    paragraph = PdfParagraph(marked_up(text), ParagraphStyle("line", fontName=font, fontSize=size, leading=size))
    _, height = paragraph.wrap(separate + 2 * size, size * 10)
    paragraph.drawOn(canvas, middle - joined / 2, y - (height - size))


def _joined_width(run: str, size: float) -> float:
    glyphs = shapeStr(run, ARABIC, size, force=True).__shapeData__
    return float(sum(glyph.x_advance for glyph in glyphs) * size / 1000)


def _known(run: str) -> str:
    return "".join(letter if ord(letter) in _FONT.face.charToGlyph else printable(letter) for letter in run)


class PdfParagraph(Paragraph):  # type: ignore[misc]  # reportlab has no types
    """A paragraph from left to right. Within each line, a run of Arabic script is shaped from right to left.

    Lines are broken by the widths of single letters, which are not narrower than those of joined letters.
    """

    def breakLines(self, width: Any) -> Any:  # noqa: N802
        if len(self.frags) == 1 and self.frags[0].fontName == ARABIC:
            # With a second part, reportlab keeps the font of each part of a line.
            self.frags.append(self.frags[0].clone(fontName=self.style.fontName, text=" "))
        return super().breakLines(width)

    def drawPara(self, debug: int = 0) -> None:  # noqa: N802
        # Only now, because a page break divides paragraphs into lines that are broken again.
        for line in self.blPara.lines:
            for part in () if isinstance(line, tuple) else line.words:
                if part.fontName == ARABIC:
                    # Numbers are from left to right; HarfBuzz turns the whole run.
                    run = _NUMBER.sub(lambda number: number[0][::-1], part.text)
                    part.text = _START + shapeStr(run, ARABIC, part.fontSize, force=True)
        super().drawPara(debug)
