"""Letters in Arabic script: an embedded font, joined letters, and lines from right to left."""

from __future__ import annotations

from datetime import date

import pytest
from pypdfium2 import PdfDocument, PdfTextPage
from reportlab.pdfbase.ttfonts import ShapedStr

from chassis.pdf_paragraph import ARABIC, PdfParagraph, marked_up
from services.notifications.templates.letter_pdf import PAPERS, Paper, PrintedLetter, print_letters
from services.notifications.templates.markup import Block, Span


def letter(*texts: str, paper: Paper = "a4") -> PdfDocument:
    """Print a letter with these items."""
    blocks = [Block("item", ((Span(((text, False),)),),)) for text in texts]
    to = PrintedLetter("Perpustakaan", "Siti", ("VII A",), date(2026, 12, 1), "id", blocks)
    return PdfDocument(print_letters([to], paper=paper))


def places(page: PdfTextPage, letters: str) -> list[tuple[float, float]]:
    """(left, bottom) of each of these letters of a page, whose forms do not join."""
    text = page.get_text_range()
    # Some readers put a line from right to left into its order of reading.
    return [page.get_charbox(text.index(letter))[:2] for letter in letters]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_letter_embeds_its_arabic_font(paper: Paper) -> None:
    blocks = [Block("text", ((Span((("بداية المجتهد", False),)),),))]
    to = PrintedLetter("Perpustakaan", "Siti", (), date(2026, 12, 1), "id", blocks)
    pdf = print_letters([to], paper=paper)
    assert b"+NotoSansArabic" in pdf
    assert pdf.count(b"/FontFile2") == 1


def test_words_of_a_title_go_from_right_to_left_between_words_from_left_to_right() -> None:
    [page] = letter("Kitab رود دار 78 ا karya Ali")
    text = page.get_textpage()
    # dal, then alif: neither joins the letter after it.
    lefts = [left for left, _ in places(text, "Kودا")]
    assert lefts[0] < lefts[3] < lefts[2] < lefts[1]
    seven, eight = places(text, "78")
    assert lefts[3] < seven[0] < eight[0] < lefts[2]
    assert lefts[1] < places(text, "y")[0][0]


def test_a_long_title_begins_on_the_first_line() -> None:
    [page] = letter("و " + "دار " * 60 + "ء")
    (_, first), (_, last) = places(page.get_textpage(), "وء")
    assert first > last + 20


@pytest.mark.parametrize("title", ["بداية المجتهد", "Kitab بداية المجتهد", "ڤڠتاهوان نݢري", "مُحَمَّدٌ"])
def test_letters_are_joined_and_marks_are_above_them(title: str) -> None:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfgen.canvas import Canvas

    paragraph = PdfParagraph(marked_up(title), ParagraphStyle("text", fontName="Helvetica"))
    paragraph.wrap(400, 400)
    paragraph.drawOn(Canvas("unused.pdf"), 0, 0)
    [run] = [part.text for line in paragraph.blPara.lines for part in line.words if part.fontName == ARABIC]
    assert isinstance(run, ShapedStr)
    # Joined letters are other forms, with code points of their own or private ones.
    assert set(run) - set(title) - {" "}


def test_a_name_is_no_markup_in_either_script() -> None:
    assert marked_up("<b>a</b> & دار") == f'&lt;b&gt;a&lt;/b&gt; &amp; <font name="{ARABIC}">دار</font>'
    assert (
        marked_up("دار & <i> دار")
        == f'<font name="{ARABIC}">دار</font> &amp; &lt;i&gt; <font name="{ARABIC}">دار</font>'
    )
    assert marked_up("دار < 5 > دار") == f'<font name="{ARABIC}">دار &lt; 5 &gt; دار</font>'
    assert marked_up("Война, ā") == "Voina, a"


def test_a_page_break_within_an_arabic_paragraph_keeps_all_of_it() -> None:
    document = letter(*["baris"] * 24, "و " + "دار " * 300 + "ء")
    texts = [page.get_textpage().get_text_range() for page in document]
    assert len(texts) == 2
    assert "و" in texts[0]
    assert "ء" in texts[1]
    assert sum(text.count("د") for text in texts) == 300
