"""The pages of labels: the queue, a print with its confirmation, and barcodes printed ahead."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pypdfium2
import pytest
from playwright.sync_api import Browser, expect

from services.catalog.cataloguing.items import Acquisition, add_items
from tests.fakes.payloads import PAYLOADS
from tests.web.accessibility import check_accessibility, take_session
from tests.web.catalogue_library import CatalogueLibrary, catalogue_library
from tests.web.visitors import Visitor, visitor

PATH = "/catalogue/labels"
_numbers = count(500)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogueLibrary]:
    with catalogue_library(tmp_path_factory.mktemp("library")) as library:
        yield library


@pytest.fixture(scope="module")
def cataloguer(library: CatalogueLibrary) -> Iterator[Visitor]:
    with visitor(library.address) as cataloguer:
        assert cataloguer.sign_in(library.add_staff("cataloguer", name="Ani")).status_code == 303
        yield cataloguer


def add(library: CatalogueLibrary, title: str = "Kemarau", **values: Any) -> list[str]:
    """Add items to a new record. Returns their ids."""
    record_id = library.import_(str(next(_numbers)), title)
    values = {"count": 1, "branch": "PKS/PST", "acquisition": Acquisition("gift"), **values}
    with library.database.transaction(library.context) as session:
        return [str(item.id) for item in add_items(session, record_id, **values, context=library.context)]


def empty_queue(cataloguer: Visitor) -> None:
    cataloguer.open(PATH)
    if cataloguer.page.xpath("//button[@value='all']"):
        cataloguer.send(f"{PATH}/prints", {"act": "all"})
        cataloguer.send(next(form.action for form in cataloguer.page.forms if "confirmation" in form.action))


def text_of(pdf: bytes) -> str:
    return " ".join(page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(pdf))


def test_ticked_labels_are_printed_and_leave_the_queue_when_they_are_confirmed(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    empty_queue(cataloguer)
    first, _ = add(library, "Robohnya surau kami", count=2, barcodes=["T1", "T2"], call_number="813 NAV r")
    cataloguer.open(PATH)
    assert "2 labels are waiting to be printed" in cataloguer.text
    cataloguer.send(f"{PATH}/prints", {"act": "ticked"})
    assert cataloguer.response.status_code == 400
    assert "Tick the labels to print first" in cataloguer.text
    cataloguer.send(f"{PATH}/prints", {"act": "ticked", "items": first})
    assert "Print one label" in cataloguer.text
    here = cataloguer.response.url.path
    pdf = cataloguer.http.get(f"{here}/labels.pdf?sheet=roll-50x30&kind=both&start=1")
    assert pdf.headers["content-type"] == "application/pdf"
    assert "T1" in text_of(pdf.content)
    assert "T2" not in text_of(pdf.content)
    cataloguer.open(here)
    assert cataloguer.form("labels.pdf")["sheet"] == "roll-50x30", "the sheet that was printed last"
    cataloguer.send(f"{here}/confirmation")
    assert "One label is printed." in cataloguer.text
    assert "One label is waiting to be printed" in cataloguer.text
    cataloguer.open(here)
    assert "Confirmed as printed well" in cataloguer.text
    assert cataloguer.http.get(f"{here}/labels.pdf").status_code == 200
    wrong = cataloguer.http.get(f"{here}/labels.pdf?start=25")
    assert (wrong.status_code, "24" in wrong.text) == (400, True)


def test_the_queue_is_filtered_by_branch_collection_and_day_and_read_as_csv(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    empty_queue(cataloguer)
    add(library, barcodes=["F1"], branch="PKS/TJH", collection="children")
    add(library, barcodes=["F2"])
    for query, shown in {
        "branch=PKS/TJH": ["F1"], "collection=children": ["F1"], "branch=PKS/PST": ["F2"],
        "since=2020-01-01": ["F1", "F2"], "since=2999-01-01": [], "since=x": ["F1", "F2"],
    }.items():  # fmt: skip
        cataloguer.open(f"{PATH}?{query}")
        assert [name for name in ("F1", "F2") if name in cataloguer.text] == shown, query
    rows = cataloguer.http.get(f"{PATH}.csv?collection=children").text.splitlines()
    assert (len(rows), "F1" in rows[1]) == (2, True)
    cataloguer.open(f"{PATH}?branch=PKS/TJH")
    cataloguer.send(f"{PATH}/prints", {"act": "all"})
    assert "Print one label" in cataloguer.text
    assert "F1" in text_of(cataloguer.http.get(f"{cataloguer.response.url.path}/labels.pdf").content)


def test_the_label_of_one_item_is_printed_from_its_page(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    (item,) = add(library, barcodes=["I1"])
    empty_queue(cataloguer)
    cataloguer.open(f"/catalogue/items/{item}")
    (link,) = cataloguer.page.xpath("//a[text()='Print label']/@href")
    cataloguer.open(link)
    cataloguer.send(f"{PATH}/prints", {"act": "ticked"})
    assert "I1" in text_of(cataloguer.http.get(f"{cataloguer.response.url.path}/labels.pdf").content)


def test_barcodes_are_reserved_and_printed_ahead(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    cataloguer.open(f"{PATH}/barcodes")
    for wrong in ("0", "banyak", "1001"):
        cataloguer.send(f"{PATH}/barcodes", {"count": wrong})
        assert cataloguer.response.status_code == 400
        assert cataloguer.page.xpath("//span[@id='count-error']")
    cataloguer.send(f"{PATH}/barcodes", {"count": "3"})
    assert "Print 3 labels" in cataloguer.text
    shown = text_of(cataloguer.http.get(f"{cataloguer.response.url.path}/labels.pdf").content)
    barcodes = [word for word in shown.split() if word.isdecimal() and len(word) == 14]
    add(library, barcodes=barcodes[:1])
    cataloguer.open(f"{PATH}/barcodes")
    assert f"{barcodes[0]}–{barcodes[2]}" in cataloguer.text
    assert "one is used" in cataloguer.text


def test_titles_of_any_kind_stay_text_on_the_page(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    empty_queue(cataloguer)
    for payload in PAYLOADS[:5]:
        add(library, payload, call_number=payload[:100])
    cataloguer.open(PATH)
    assert "alert(1)" in cataloguer.text
    assert cataloguer.page.xpath("//main//script | //main//img") == []


def test_a_cataloguer_prints_the_queue_by_keyboard_and_confirms_it(
    library: CatalogueLibrary, cataloguer: Visitor, browser: Browser
) -> None:
    empty_queue(cataloguer)
    add(
        library,
        "Judul yang lebih panjang dari biasanya untuk layar yang sempit",
        count=2,
        call_number="899.221 3 NAV r",
    )
    page = browser.new_page(base_url=library.address)
    page.goto("/")
    take_session(page, cataloguer)
    page.goto(f"{PATH}?lang=en")
    page.get_by_role("button", name="Print all 2 labels").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Print 2 labels")).to_be_visible()
    form = page.locator("form[target=_blank]")
    assert form.get_attribute("action") == f"{page.url.removeprefix(library.address)}/labels.pdf"
    here = page.url
    page.get_by_role("button", name="All printed well").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 labels are printed.")).to_be_visible()
    expect(page.get_by_text("No label is waiting to be printed.")).to_be_visible()
    (item,) = add(library, "Tambo alam Minangkabau", collection="reference")
    for each in (PATH, f"{PATH}?item={item}", here, f"{PATH}/barcodes"):
        assert page.goto(each).status == 200  # type: ignore[union-attr]
        check_accessibility(page)
    page.close()
