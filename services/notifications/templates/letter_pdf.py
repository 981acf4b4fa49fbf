"""Letters as PDF, for members whom no channel can reach: on A4, or on the 58 mm paper of a receipt printer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from services.notifications.templates.markup import Block, Span
from services.notifications.templates.values import short_date

Paper = Literal["a4", "58mm"]
PAPERS: tuple[Paper, ...] = ("a4", "58mm")
_MM = 72 / 25.4
_A4 = (210 * _MM, 297 * _MM)
_A4_MARGIN = 25 * _MM
_STRIP_WIDTH, _STRIP_MARGIN = 58 * _MM, 4 * _MM
_TALLEST = 10_000.0
_SIZES: dict[Paper, float] = {"a4": 11, "58mm": 8.5}


@dataclass(frozen=True, slots=True)
class PrintedLetter:
    """A letter to one recipient.

    library    name of the institution
    recipient  name of the member, or of a child's guardian
    address    lines below the name, such as class and street; may be empty
    blocks     result of `rendering.render_source` for the channel "print"
    """

    library: str
    recipient: str
    address: Sequence[str]
    on: date
    language: str
    blocks: Sequence[Block]


def print_letters(letters: Sequence[PrintedLetter], *, paper: Paper) -> bytes:
    """Return a PDF in which each letter begins on a new page. A page of 58 mm is as long as its letter."""
    # A local import: it takes 0.2 s, and only printing needs it.
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    if paper == "a4":
        _print_pages(buffer, letters)
    else:
        canvas = Canvas(buffer, pagesize=(_STRIP_WIDTH, _STRIP_WIDTH), invariant=1)
        canvas.setTitle(letters[0].library if letters else "")
        for letter in letters:
            _print_strip(canvas, letter)
        canvas.save()
    return buffer.getvalue()


def _print_pages(buffer: io.BytesIO, letters: Sequence[PrintedLetter]) -> None:
    from reportlab.platypus import PageBreak, SimpleDocTemplate

    document = SimpleDocTemplate(
        buffer,
        pagesize=_A4,
        leftMargin=_A4_MARGIN,
        rightMargin=_A4_MARGIN,
        topMargin=20 * _MM,
        bottomMargin=20 * _MM,
        title=letters[0].library if letters else "",
        invariant=1,
    )
    story: list[Any] = []
    for letter in letters:
        story += [*([PageBreak()] if story else []), *_parts(letter, "a4")]
    document.build(story)


def _print_strip(canvas: Any, letter: PrintedLetter) -> None:
    from reportlab.platypus import Frame

    parts = _parts(letter, "58mm")
    width = _STRIP_WIDTH - 2 * _STRIP_MARGIN
    height = 2 * _STRIP_MARGIN
    for part in parts:
        height += part.wrap(width, _TALLEST)[1] + part.getSpaceBefore() + part.getSpaceAfter()
    canvas.setPageSize((_STRIP_WIDTH, height))
    frame = Frame(
        _STRIP_MARGIN, 0, width, height, leftPadding=0, rightPadding=0, topPadding=_STRIP_MARGIN, bottomPadding=0
    )
    frame.addFromList(list(parts), canvas)
    canvas.showPage()


def _parts(letter: PrintedLetter, paper: Paper) -> list[Any]:
    """Return the paragraphs of a letter in order."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import HRFlowable

    from chassis.pdf_paragraph import PdfParagraph, marked_up

    size = _SIZES[paper]
    text = ParagraphStyle(
        "text", fontName="Helvetica", fontSize=size, leading=size * 1.35, spaceAfter=size * 0.7, splitLongWords=True
    )
    library = ParagraphStyle("library", text, fontName="Helvetica-Bold", fontSize=size * 1.3, leading=size * 1.6)
    heading = ParagraphStyle("heading", text, fontName="Helvetica-Bold", spaceBefore=size * 0.5)
    entry = ParagraphStyle("entry", text, leftIndent=size * 1.2, bulletIndent=size * 0.2, spaceAfter=size * 0.4)
    to = "<br/>".join(marked_up(line) for line in (letter.recipient, *letter.address) if line)
    parts: list[Any] = [
        PdfParagraph(marked_up(letter.library), library),
        HRFlowable(width="100%", thickness=0.7, color="black", spaceBefore=0, spaceAfter=size),
        PdfParagraph(marked_up(short_date(letter.on, letter.language)), text),
        PdfParagraph(to, text),
    ]
    for block in letter.blocks:
        body = "<br/>".join("".join(map(_span, line)) for line in block.lines)
        if not body:
            continue
        if block.kind == "item":
            parts.append(PdfParagraph(body, entry, bulletText="\u2022"))
        else:
            parts.append(PdfParagraph(body, heading if block.kind == "heading" else text))
    return parts


def _span(span: Span) -> str:
    """Return a part of a line in the XML of reportlab. A link is printed with its address, which readers can type."""
    from chassis.pdf_paragraph import marked_up

    words = "".join(marked_up(part) for part, _ in span.parts)
    if span.is_bold:
        return f"<b>{words}</b>"
    if span.address and span.address != "".join(part for part, _ in span.parts):
        return f"{words}: {marked_up(span.address)}"
    return words
