"""Pages of the accession register: by period, as files, entries with corrections, and the rules of numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

import openpyxl
import pypdfium2
import pytest
from playwright.sync_api import Browser

from services.catalog.cataloguing.items import Acquisition, AddedItem, add_items
from tests.web.accessibility import check_accessibility, take_session
from tests.web.catalogue_library import CatalogueLibrary, catalogue_library
from tests.web.hostile import PAYLOADS
from tests.web.visitors import Visitor, visitor

_numbers = count(300)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogueLibrary]:
    with catalogue_library(tmp_path_factory.mktemp("library")) as library:
        yield library


@pytest.fixture(scope="module")
def manager(library: CatalogueLibrary) -> Iterator[Visitor]:
    with visitor(library.address) as manager:
        assert manager.sign_in(library.add_staff("manager", name="Budi")).status_code == 303
        yield manager


def add(library: CatalogueLibrary, count: int = 1, title: str = "Kemarau", **values: Any) -> list[AddedItem]:
    number = str(next(_numbers))
    record_id = library.import_(number, title)
    acquisition = Acquisition(**{"source": "gift", "amount": 85_000, "supplier": f"Toko {number}", **values})
    context = library.context
    with library.database.transaction(context) as session:
        return add_items(session, record_id, count=count, branch="PKS/PST", acquisition=acquisition, context=context)


def path_of(item_id: UUID) -> str:
    return f"/catalogue/register/{item_id}"


def test_the_register_is_filtered_and_downloaded_as_files_with_the_same_entries(
    library: CatalogueLibrary, manager: Visitor
) -> None:
    added = add(library, 3, source="exchange")
    add(library)
    page = manager.open("/catalogue/register?source=exchange&branch=PKS/PST")
    assert "3 items · Rp255,000" in manager.text
    assert [row.text_content() for row in page.xpath("//tbody//th")] == [item.accession_number for item in added]
    assert "exchange" in manager.text
    assert page.xpath(f"//a[@href='{path_of(added[0].id)}']")
    query = dict(page.forms[-1].form_values())
    assert query.pop("layout") == "full"
    assert query == {"source": "exchange", "branch": "PKS/PST"}
    text = manager.http.get("/catalogue/register.csv", params=query).text
    assert text.count("/PKS/T/") == 3
    pdf = pypdfium2.PdfDocument(manager.http.get("/catalogue/register.pdf", params=query).content)
    assert "Overall total: 3 items · Rp255,000" in pdf[0].get_textpage().get_text_range()
    workbook = openpyxl.load_workbook(
        io.BytesIO(manager.http.get("/catalogue/register.xlsx", params={**query, "layout": "ten"}).content)
    )
    assert workbook.worksheets[0].max_column == 10
    manager.open("/catalogue/register?number=" + added[1].accession_number)
    assert "1 item · Rp85,000" in manager.text
    manager.open("/catalogue/register?entered_from=2026-02-30")
    assert manager.response.status_code == 400
    assert not manager.page.xpath("//p[@class='total']"), "totals of a list that could not be read"
    manager.open("/catalogue/register?entered_from=2026-02-02&entered_to=2026-02-01")
    assert manager.page.xpath("//span[@id='entered_to-error']")


def test_an_entry_is_corrected_with_a_reason_and_shows_what_was_before(
    library: CatalogueLibrary, manager: Visitor
) -> None:
    (added,) = add(library, supplier="Keluarga Navis")
    path = path_of(added.id)
    manager.open(path)
    manager.send(path, {"price": "Rp58.000", "fund": "APBD 2026"})
    assert manager.response.status_code == 400
    assert manager.page.xpath("//span[@id='reason-error']")
    manager.send(path, {"reason": "Harga salah ketik"})
    assert "The correction is saved." in manager.text
    assert "Price: 85,000 → 58,000" in manager.text
    assert "Fund: empty → APBD 2026" in manager.text
    assert "Budi" in manager.text
    assert added.accession_number in manager.text
    for wrong in ("delapan", "85.000,00"):
        manager.send(path, {"price": wrong, "reason": "x"})
        assert manager.page.xpath("//span[@id='price-error']")
    manager.send(path, {"price": "", "acquired_on": "2999-01-01"})
    assert "The value “2999-01-01” cannot be used for “Acquired on”." in manager.text
    manager.open(path)
    manager.send(path, {"price": "", "reason": "Tidak ada kuitansi"})
    assert "Price: 58,000 → empty" in manager.text


def test_two_corrections_of_one_entry_lose_nothing(library: CatalogueLibrary, manager: Visitor) -> None:
    (added,) = add(library)
    path = path_of(added.id)
    with visitor(library.address) as other:
        other.sign_in(library.add_staff("manager", name="Rosnida"))
        other.open(path)
        manager.open(path)
        manager.send(path, {"document": "BAST 9/2026", "reason": "Dokumen kurang"})
        other.send(path, {"fund": "BOS", "reason": "Dana kurang"})
        assert other.response.status_code == 412
        form = other.form(path)
        assert (form["fund"], form["document"], form["reason"]) == ("BOS", "BAST 9/2026", "Dana kurang")
        other.send(path)
        assert "The correction is saved." in other.text
        form = other.form(path)
        assert (form["fund"], form["document"]) == ("BOS", "BAST 9/2026")


def test_a_cataloguer_sees_the_register_and_corrects_nothing(library: CatalogueLibrary) -> None:
    (added,) = add(library)
    with visitor(library.address) as cataloguer:
        cataloguer.sign_in(library.add_staff("cataloguer"))
        cataloguer.open("/catalogue")
        assert cataloguer.page.xpath("//a[@href='/catalogue/register']")
        cataloguer.open(path_of(added.id))
        assert added.accession_number in cataloguer.text
        assert not cataloguer.page.xpath("//main//form[@method='post']")
        cataloguer.open("/catalogue/register/rules")
        assert not cataloguer.page.xpath("//main//form[@method='post']//button")


def test_the_rules_show_the_next_number_and_numbers_are_skipped_with_a_reason(
    library: CatalogueLibrary, manager: Visitor
) -> None:
    path = "/catalogue/register/rules"
    manager.open(path)
    manager.send(path, {"pattern": "{year}"})
    assert manager.page.xpath("//span[@id='pattern-error']")
    manager.send(path, {"pattern": "{seq:4}/LP/{source}"})
    assert "The pattern is saved." in manager.text
    assert "0001/LP/P" in manager.text
    manager.send(f"{path}/gaps", {"count": "0", "reason": ""})
    assert manager.page.xpath("//span[@id='count-error']")
    manager.send(f"{path}/gaps", {"count": "4512", "reason": "Nomor buku induk kertas"})
    assert "0001/LP/P to 4512/LP/P: Nomor buku induk kertas" in manager.text
    assert "4513/LP/P" in manager.text
    assert add(library)[0].accession_number == "4513/LP/H"


def test_items_of_imports_get_numbers_step_by_step(library: CatalogueLibrary, manager: Visitor) -> None:
    library.import_(str(next(_numbers)), "Kemarau", ("Z1", "Z2"))
    path = "/catalogue/register/rules"
    manager.open(path)
    manager.send(f"{path}/numberings", {"branch": "PKS/PST", "numbered_source": "purchase", "fund": "APBD 2026"})
    assert "0 items are entered" in manager.text, "the first step takes numbers of the old system, and there are none"
    manager.send(f"{path}/numberings")
    assert "All items of this choice have a number." in manager.text
    manager.open("/catalogue/register?source=purchase&branch=PKS/PST")
    assert len(manager.page.xpath("//tbody/tr")) >= 2


def test_hostile_facts_of_an_entry_stay_text_on_pages_and_in_files(library: CatalogueLibrary, manager: Visitor) -> None:
    payloads = [*PAYLOADS]
    while payloads:
        part = [payloads.pop() for _ in range(min(3, len(payloads)))]
        (added,) = add(
            library, title=part[0], source="deposit", supplier=part[0], fund=part[-1], document=part[len(part) // 2]
        )
        page = manager.open(path_of(added.id))
        assert page.xpath("//main//script | //main//svg | //main//iframe") == []
        shown = [" ".join(dd.text_content().split()) for dd in page.xpath("//dd")]
        assert [text for text in part if " ".join(text.split()) not in shown] == []
    page = manager.open("/catalogue/register?source=deposit")
    assert page.xpath("//main//script | //main//svg | //main//iframe") == []
    content = manager.http.get("/catalogue/register.xlsx?source=deposit").content
    (sheet,) = openpyxl.load_workbook(io.BytesIO(content)).worksheets
    cells = [cell for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert "=HYPERLINK(1)" in {cell.value for cell in cells}
    pdf = manager.http.get("/catalogue/register.pdf?source=deposit").content
    text = "".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(pdf))
    assert "=HYPERLINK(1)" in text.replace("\r\n", "")
    assert b"/JavaScript" not in pdf
    assert "'=HYPERLINK(1)" in manager.http.get("/catalogue/register.csv?source=deposit").text


def test_the_pages_of_the_register_are_accessible(
    library: CatalogueLibrary, manager: Visitor, browser: Browser
) -> None:
    (added,) = add(library, title="Judul yang lebih panjang dari biasanya untuk layar yang sempit")
    manager.open(path_of(added.id))
    manager.send(path_of(added.id), {"fund": "APBD", "reason": "Dana kurang"})
    page = browser.new_page(base_url=library.address)
    page.goto("/")
    take_session(page, manager)
    for each in ("/catalogue/register", path_of(added.id), "/catalogue/register/rules"):
        assert page.goto(each).status == 200  # type: ignore[union-attr]
        check_accessibility(page)
    page.close()
