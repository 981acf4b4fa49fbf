"""Labels as PDF, read back: places on the sheet, text, and barcodes by a foreign decoder."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pypdfium2
import pytest
import zxingcpp

from services.catalog.cataloguing.labels.pdf import PrintedLabel, print_labels, print_outlines
from services.catalog.cataloguing.labels.sheets import Sheet, released_sheets
from services.catalog.record.call_numbers import label_lines
from tests.fakes.payloads import PAYLOADS

MM = 72 / 25.4
SHEETS = {sheet.code: sheet for sheet in released_sheets()}
LIBRARY = "Perpustakaan Kota Solok"
DOTS = 4  # a point of the page, for the decoder


def label(barcode: str, call_number: str = "899.221 3 NAV r", title: str = "Robohnya Surau Kami") -> PrintedLabel:
    return PrintedLabel(LIBRARY, barcode, title, label_lines(call_number))


def read_codes(page: Any) -> dict[str, tuple[float, float]]:
    """Barcode -> its middle on the page, in millimetres from the top left."""
    codes = zxingcpp.read_barcodes(page.render(scale=DOTS, grayscale=True).to_pil())
    places = {}
    for code in codes:
        corners = (code.position.top_left, code.position.bottom_right)
        places[code.text] = tuple(sum(getattr(at, axis) for at in corners) / 2 / DOTS / MM for axis in ("x", "y"))
        assert code.format.name == "Code128"
    return places  # type: ignore[return-value]


def boxes(page: Any) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each text on the page, in millimetres from the top left."""
    text, height = page.get_textpage(), page.get_height()
    rects = (text.get_rect(number) for number in range(text.count_rects()))
    return [(left / MM, (height - top) / MM, right / MM, (height - bottom) / MM) for left, bottom, right, top in rects]


def label_box(sheet: Sheet, place: int) -> tuple[float, float, float, float]:
    row, column = divmod(place, sheet.columns)
    left, top = sheet.left + column * sheet.pitch_x, sheet.top + row * sheet.pitch_y
    return left, top, left + sheet.width, top + sheet.height


def is_inside(box: tuple[float, ...], outer: tuple[float, ...]) -> bool:
    return box[0] >= outer[0] and box[1] >= outer[1] and box[2] <= outer[2] and box[3] <= outer[3]


@pytest.mark.parametrize("code", SHEETS)
def test_each_barcode_stands_in_the_middle_of_its_label_and_is_decoded(code: str) -> None:
    sheet = SHEETS[code]
    barcodes = [f"3000100{number:07}" for number in range(sheet.labels)]
    pdf = pypdfium2.PdfDocument(print_labels([label(barcode) for barcode in barcodes], sheet, kind="barcode"))
    (page,) = pdf
    width, height = page.get_size()
    assert (width / MM, height / MM) == pytest.approx((sheet.page_width, sheet.page_height), abs=0.1)
    places = read_codes(page)
    assert sorted(places) == barcodes
    for place, barcode in enumerate(barcodes):
        left, top, right, bottom = label_box(sheet, place)
        assert places[barcode][0] == pytest.approx((left + right) / 2, abs=0.5)
        assert top < places[barcode][1] < bottom
    assert all(any(is_inside(box, label_box(sheet, place)) for place in range(sheet.labels)) for box in boxes(page))


@pytest.mark.parametrize("code", SHEETS)
def test_outlines_are_where_the_labels_of_the_sheet_are(code: str) -> None:
    sheet = SHEETS[code]
    (page,) = pypdfium2.PdfDocument(print_outlines(sheet))
    height = page.get_height()
    drawn = [item.get_bounds() for item in page.get_objects() if item.type == pypdfium2.raw.FPDF_PAGEOBJ_PATH]
    assert len(drawn) == sheet.labels
    for place, (left, bottom, right, top) in enumerate(drawn):
        measured = (left / MM, (height - top) / MM, right / MM, (height - bottom) / MM)
        assert measured == pytest.approx(label_box(sheet, place), abs=0.5)
    words = page.get_textpage().get_text_bounded().split()
    assert str(sheet.labels) in words


def test_spine_and_barcode_share_a_label_and_the_first_label_may_be_any() -> None:
    sheet = SHEETS["a4-3x8"]
    labels = [label(f"3000100{number:07}") for number in range(5)]
    first, second = pypdfium2.PdfDocument(print_labels(labels, sheet, kind="both", start=22))
    assert (len(read_codes(first)), len(read_codes(second))) == (3, 2)
    middle = read_codes(first)[labels[0].barcode]
    left, top, right, bottom = label_box(sheet, 21)
    assert (left + right) / 2 < middle[0] < right
    assert top < middle[1] < bottom
    assert label_box(sheet, 0)[1] < read_codes(second)[labels[3].barcode][1] < label_box(sheet, 0)[3]
    lines = first.get_textpage().get_text_bounded().splitlines()
    for line in ("899.221 3", "NAV", "r", LIBRARY, labels[0].barcode, labels[0].title):
        assert line in [each.strip() for each in lines]


def test_a_spine_has_the_lines_of_the_call_number_from_top_to_bottom() -> None:
    assert label_lines("R 899.221 3 NAV r jil. 2", copy="2") == ["R", "899.221 3", "NAV", "r", "jil. 2", "c.2"]
    assert label_lines("2X4.1/HAM/t c.12") == ["2X4.1", "HAM", "t", "c.12"]
    assert label_lines("899.2213 NAV r", enumeration="Jilid 3") == ["899.2213", "NAV", "r", "Jilid 3"]
    assert label_lines("") == []
    printed = PrintedLabel(LIBRARY, "3", spine=label_lines("R 899.221 3 NAV r jil. 2", copy="2"))
    (page,) = pypdfium2.PdfDocument(print_labels([printed], SHEETS["tj-121"], kind="spine"))
    assert page.get_textpage().get_text_bounded().split("\r\n") == list(printed.spine)
    rows = boxes(page)
    assert all(above[1] < below[1] for above, below in pairwise(rows))
    assert all(is_inside(box, label_box(SHEETS["tj-121"], 0)) for box in rows)


@pytest.mark.parametrize("kind", ["both", "spine", "barcode"])
def test_texts_of_any_kind_stay_text_within_their_label(kind: str) -> None:
    sheet = SHEETS["a4-3x8"]
    texts = [*PAYLOADS, "بداية المجتهد", "中文書", "x" * 500, "%s {title} \\ ( ) <</JS (app.alert(1))>>"]
    labels = [PrintedLabel(text[:120], text[:64], text, label_lines(text)) for text in texts]
    document = pypdfium2.PdfDocument(print_labels(labels, sheet, kind=kind))
    assert len(document) == -(-len(texts) // sheet.labels)
    for page in document:
        assert not [item for item in page.get_objects() if item.type == pypdfium2.raw.FPDF_PAGEOBJ_FORM]
        assert all(any(is_inside(box, label_box(sheet, place)) for place in range(sheet.labels)) for box in boxes(page))
    shown = " ".join(page.get_textpage().get_text_bounded() for page in document)
    assert "app.alert" in shown or kind == "barcode"


def test_a_barcode_that_does_not_fit_or_has_no_sign_is_a_number_alone_and_not_another_barcode() -> None:
    sheet = SHEETS["roll-50x30"]
    labels = [PrintedLabel(LIBRARY, text) for text in ("X" * 64, "é123")]
    for printed, page in zip(labels, pypdfium2.PdfDocument(print_labels(labels, sheet, kind="barcode")), strict=True):
        assert read_codes(page) == {}
        shown = page.get_textpage().get_text_bounded()
        assert printed.barcode in shown


def test_a_narrow_label_has_the_spine_above_the_barcode() -> None:
    sheet = Sheet("kecil", SHEETS["a4-3x8"].name, 40, 40, 1, 1, 0, 0, 40, 40, 40, 40)
    (page,) = pypdfium2.PdfDocument(print_labels([label("30001000000015")], sheet, kind="both"))
    assert read_codes(page)["30001000000015"][1] > 20
    assert "NAV" in page.get_textpage().get_text_bounded()
