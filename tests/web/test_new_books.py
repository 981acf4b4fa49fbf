"""*Tambah buku*, with the real catalogue: known here, known elsewhere, unknown; and items that desks added."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from chassis.context import READER
from rangkiang.circulation.v1.events_pb2 import LoanCopy, LoanOpened
from services.catalog.handlers import keep_states
from services.catalog.importing.fast_adds import fast_add
from services.catalog.items.barcodes import own_barcode
from services.catalog.items.edits import EditedItem, get_item
from services.catalog.tables import Item, ItemState, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.web.accessibility import check_accessibility, take_session
from tests.web.catalogue_library import CatalogueLibrary, catalogue_library
from tests.web.conftest import DESK, PHONE, Visit
from tests.web.hostile import PAYLOADS
from tests.web.visitors import Visitor, visitor

HERE, ELSEWHERE, UNKNOWN = "9789794030462", "9786020324784", "9789799731234"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogueLibrary]:
    with catalogue_library(tmp_path_factory.mktemp("library")) as library:
        Importer(library.database)([book("here", "Kaba Anggun", isbn=HERE, items=[("PST", "X1")])])
        elsewhere = book("77", "Bulan lebam", author="Sutan, Rusli", isbn=ELSEWHERE, more=[["990", "  ", "a", "local"]])
        Importer(library.database)([elsewhere], source="UNAND", institution="UNAND")
        yield library


@pytest.fixture(scope="module")
def address(library: CatalogueLibrary) -> str:
    return library.address


@pytest.fixture(scope="module")
def cataloguer(library: CatalogueLibrary) -> Iterator[Visitor]:
    with visitor(library.address) as cataloguer:
        cataloguer.sign_in(library.add_staff("cataloguer"))
        yield cataloguer


FOCUSED = "[.//button[@autofocus]]"


def items_of(library: CatalogueLibrary, record_id: str) -> list[Any]:
    with library.database.reading(READER) as session:
        of_record = select(Item).join(Record, Record.number == Item.record_number).where(Record.id == UUID(record_id))
        return list(session.scalars(of_record.order_by(Item.position)))


def form_of(cataloguer: Visitor, button: str = "") -> dict[str, str]:
    """What the last form of the page sends, or the one with the focus."""
    forms = cataloguer.page.xpath("//main//form[@method='post']" + button)
    return dict(forms[-1].form_values())


def send(cataloguer: Visitor, values: dict[str, str] | None = None, button: str = "") -> None:
    form = cataloguer.page.xpath("//main//form[@method='post']" + button)[-1]
    data = dict(form.form_values()) | (values or {})
    cataloguer.response = cataloguer.http.post(form.get("action"), data=data, follow_redirects=True)


def record_in(response: httpx.Response) -> str:
    """The record whose items the page asks for."""
    return response.url.params["record"]


def add_at_desk(library: CatalogueLibrary, barcode: str, title: str) -> EditedItem:
    """Add an item at a desk and lend it."""
    with library.database.transaction(library.context) as session:
        item = fast_add(session, barcode=barcode, branch="PKS/PST", title=title, context=library.context)
        loan = LoanCopy(item_id=item.id, institution_id=str(library.institution), state="on_loan", state_version=1)
        keep_states(session, [(LoanOpened(loan=loan), library.context)])
        return get_item(session, item.id, context=library.context)


def test_an_isbn_that_is_here_leads_to_its_items_and_back_to_the_box(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    page = cataloguer.open(f"/catalogue/new?q={HERE[:3]}-{HERE[3:]}")
    record_id = record_in(cataloguer.response)
    assert page.xpath("//input[@autofocus]/@name") == ["count"]
    assert form_of(cataloguer)["count"] == ""
    # That of the item that is there already.
    assert form_of(cataloguer)["call_number"] == "899.221 NAV r"
    values = {
        "count": "2",
        "source": "gift",
        "collection": "reference",
        "supplier": "Navis",
        "price": "85.000",
    }
    send(cataloguer, values)
    assert "2 items added" in cataloguer.text
    numbers = re.findall(r"\d{5}/PKS/H/\d{4}", cataloguer.text)
    assert len(set(numbers)) == 2
    assert cataloguer.page.xpath("//input[@autofocus]/@name") == ["q"]
    assert cataloguer.page.xpath("//main//a[@href='/catalogue/labels']")
    added = items_of(library, record_id)[1:]
    assert [(item.collection, item.call_number) for item in added] == [("reference", "899.221 NAV r")] * 2
    assert all(item.barcode in cataloguer.text for item in added)

    # The same form again, as after a double click: nothing is added.
    again = cataloguer.response.request
    response = cataloguer.http.send(cataloguer.http.build_request("POST", again.url, content=again.content,
                                                                  headers=again.headers))  # fmt: skip
    assert all(number in response.text for number in numbers)
    assert len(items_of(library, record_id)) == 3

    cataloguer.open(f"/catalogue/new?record={record_id}")
    form = form_of(cataloguer)
    kept = {name: form[name] for name in ("source", "collection", "supplier", "price", "branch")}
    assert kept == {
        "source": "gift", "collection": "reference", "supplier": "Navis", "price": "", "branch": "PKS/PST",
    }  # fmt: skip


def test_a_book_of_another_institution_is_copied_with_one_button(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    cataloguer.http.cookies.delete("last_items")
    cataloguer.open(f"/catalogue/new?q={ELSEWHERE}")
    send(cataloguer, button=FOCUSED)
    record_id = record_in(cataloguer.response)
    tags = [field[0] for field in library.marc(record_id).fields]
    assert "990" not in tags
    assert library.marc(record_id).values("035", "a") == ["(TEST)77"]
    assert form_of(cataloguer)["call_number"] == "SUT b"
    send(cataloguer, {"barcodes": "LAMA-1"})
    assert [item.barcode for item in items_of(library, record_id)] == ["LAMA-1"]
    cataloguer.open(f"/catalogue/new?q={ELSEWHERE}")
    assert record_in(cataloguer.response) == record_id


def test_a_record_that_a_title_has_found_is_copied_too(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    without_isbn = book("79", "Tambo alam", author="Datuk Toeah")
    Importer(library.database)([without_isbn], source="UNAND", institution="UNAND")
    with library.database.reading(READER) as session:
        other = session.scalars(select(Record.id).where(Record.control_key.endswith("79"))).one()
    cataloguer.open("/catalogue/new?q=9789791234566")
    send(cataloguer, {"copy": str(other), "title": ""})
    marc = library.marc(record_in(cataloguer.response))
    assert (marc.text("245", "a"), marc.values("035", "a")) == ("Tambo alam", ["(TEST)79"])


def test_an_unknown_book_is_written_in_a_short_form(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    page = cataloguer.open(f"/catalogue/new?q={UNKNOWN}")
    assert page.xpath("//input[@autofocus]/@name") == ["title"]
    send(cataloguer, {"title": " ", "year": "19"})
    assert cataloguer.response.status_code == 400
    assert {"Enter the title of the book."} < set(cataloguer.page.xpath("//span[@class='error']/text()"))
    values = {
        "title": "Si Umbuik Mudo : kaba", "author": "Rasyid, M.; Hamka", "place": "Padang", "publisher": "Anggrek",
        "year": "1983", "ddc": "398.2", "subjects": "Kaba; Cerita rakyat", "language": "min", "audience": "teen",
    }  # fmt: skip
    send(cataloguer, values)
    marc = library.marc(record_in(cataloguer.response))
    texts = ["".join(f"${code}{text}" for code, text in zip(field[2::2], field[3::2], strict=True))
             for field in marc.fields if field[0] >= "020"]  # fmt: skip
    assert texts == [
        f"$a{UNKNOWN}", "$a398.2", "$aRasyid, M.", "$aSi Umbuik Mudo :$bkaba", "$aPadang :$bAnggrek,$c1983", "$aKaba",
        "$aCerita rakyat", "$aHamka",
    ]  # fmt: skip
    fixed = next(field[1] for field in marc.fields if field[0] == "008")
    assert (len(fixed), fixed[6:11], fixed[22], fixed[35:38]) == (40, "s1983", "d", "min")
    assert form_of(cataloguer)["call_number"] == "398.2 RAS s"
    send(cataloguer, {"collection": "reference", "propose": "1"})
    assert form_of(cataloguer)["call_number"] == "R 398.2 RAS s"


def test_a_record_that_may_be_here_is_saved_only_after_a_question(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    cataloguer.open("/catalogue/new?q=9789791234566")
    send(cataloguer, {"title": "Kaba Anggun", "author": "Navis, A. A.", "isbn": ""})
    assert "Similarity 95%: Same author and title" in cataloguer.text
    [link] = cataloguer.page.xpath("//a[@autofocus]/@href")
    known = record_in(cataloguer.http.get(f"/catalogue/new?q={HERE}", follow_redirects=True))
    assert link == f"/catalogue/new?record={known}"

    def records() -> int:
        with library.database.reading(READER) as session:
            return session.scalar(select(func.count()).select_from(Record)) or 0

    # The last form goes back to what was entered.
    send(cataloguer, {"change": "1"})
    assert cataloguer.page.xpath("//details[@open]//input[@name='title']/@value") == ["Kaba Anggun"]
    assert "Not found" not in cataloguer.text
    send(cataloguer)
    before = records()
    send(cataloguer, button="[.//input[@name='anyway']]")
    assert record_in(cataloguer.response) != known
    assert records() == before + 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"count": "banyak"}, "The number is between 1 and 500."),
        ({"count": "501"}, "500"),
        ({"price": "mahal"}, "A price is a number"),
        ({"barcodes": "X1"}, "X1"),
        ({"branch": "PKS/TIADA"}, "TIADA"),
        ({"call_number": "x" * 201}, "“Call number” cannot be used"),
        ({"document": "x" * 101}, "“Document number (BAST)” cannot be used"),
    ],
)
def test_a_wrong_value_of_items_is_named_at_its_field(
    cataloguer: Visitor, values: dict[str, str], sentence: str
) -> None:
    cataloguer.open(f"/catalogue/new?q={HERE}")
    send(cataloguer, values)
    assert cataloguer.response.status_code in (400, 409)
    [name] = values
    assert sentence in cataloguer.page.xpath(f"//*[@id='{name}-error']")[0].text_content()


def test_a_misread_barcode_and_one_that_was_never_printed_are_named_at_their_field(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    unprinted = own_barcode(library.institution, 900_000)
    misread = unprinted[:-1] + str((int(unprinted[-1]) + 1) % 10)
    for barcode, sentence in ((unprinted, "was never printed"), (misread, "was misread")):
        cataloguer.open(f"/catalogue/new?q={HERE}")
        send(cataloguer, {"barcodes": barcode})
        assert sentence in cataloguer.page.xpath("//*[@id='barcodes-error']")[0].text_content()


def test_a_wrong_check_digit_is_named_and_the_book_can_be_written(cataloguer: Visitor) -> None:
    page = cataloguer.open("/catalogue/new?q=9789794030463")
    [box] = page.xpath("//input[@name='q'][@aria-invalid='true']")
    assert "q-error" in box.get("aria-describedby").split()
    assert "9789794030463" in cataloguer.page.xpath("//*[@id='q-error']")[0].text_content()
    assert "Enter it yourself" in cataloguer.text
    # The next scan is not added to the wrong number.
    assert cataloguer.page.xpath("//input[@autofocus]/@value") == [""]


def test_an_item_on_loan_joins_another_record_and_keeps_id_and_loan(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    item = add_at_desk(library, "DESK-1", "Kaba Angun")
    cataloguer.open("/catalogue")
    cataloguer.open("/catalogue/fast-adds")
    assert "Kaba Angun" in cataloguer.text
    cataloguer.open(f"/catalogue/fast-adds/{item.id}?q={HERE}")
    record_id = form_of(cataloguer, FOCUSED)["record"]
    send(cataloguer, button=FOCUSED)
    assert "The item is completed." in cataloguer.text
    assert "Kaba Angun" not in cataloguer.text
    [joined] = [each for each in items_of(library, record_id) if each.barcode == "DESK-1"]
    assert (joined.id, joined.call_number) == (item.id, "NAV k")
    with library.database.reading(READER) as session:
        assert session.scalars(select(ItemState.state).where(ItemState.item_id == item.id)).one() == "on_loan"


def test_a_brief_record_of_a_desk_is_completed_in_place(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    item = add_at_desk(library, "DESK-2", "Negeri lima menara")
    path = f"/catalogue/fast-adds/{item.id}"
    cataloguer.open(path)
    assert form_of(cataloguer)["title"] == "Negeri lima menara"
    values = {"title": "Negeri 5 menara", "author": "Fuadi, Ahmad", "year": "2009", "ddc": "899.221 3"}
    send(cataloguer, values)
    assert "The item is completed." in cataloguer.text
    [completed] = items_of(library, str(item.record_id))
    assert (completed.id, completed.call_number, completed.is_fast_add) == (item.id, "899.221 3 FUA n", False)
    marc = library.marc(str(item.record_id))
    assert (marc.text("245", "a"), marc.text("264", "c")) == ("Negeri 5 menara", "2009")
    cataloguer.open(path)
    assert "This item is completed already." in cataloguer.text


def test_a_record_that_was_completed_meanwhile_is_not_overwritten(
    library: CatalogueLibrary, cataloguer: Visitor
) -> None:
    item = add_at_desk(library, "DESK-4", "Negeri van Oranje")
    cataloguer.open(f"/catalogue/fast-adds/{item.id}")
    library.add_note(str(item.record_id), "Catatan dari formulir lengkap")
    sent = form_of(cataloguer)
    for version in (sent["version"], str(stored_version(library, item))):
        cataloguer.open(f"/catalogue/fast-adds/{item.id}")
        data = sent | {"version": version, "title": "Judul pendek"}
        cataloguer.response = cataloguer.http.post(f"/catalogue/fast-adds/{item.id}", data=data)
        assert cataloguer.response.status_code == 412
        assert "Somebody else changed this item or its record" in cataloguer.text
        assert library.marc(str(item.record_id)).text("500", "a") == "Catatan dari formulir lengkap"
    assert form_of(cataloguer)["version"] == str(stored_version(library, item))


def stored_version(library: CatalogueLibrary, item: EditedItem) -> int:
    with library.database.reading(READER) as session:
        return session.scalars(select(Item.version).where(Item.id == item.id)).one()


def test_a_refused_copy_still_shows_what_was_found(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    isbn = "9786020307459"
    Importer(library.database)([book("80", "Merantau", isbn=isbn)], source="UNAND", institution="UNAND")
    cataloguer.open(f"/catalogue/new?q={isbn}")
    send(cataloguer, {"marc": "{"}, button=FOCUSED)
    assert cataloguer.response.status_code == 400
    assert "Not found" not in cataloguer.text
    assert "Merantau" in cataloguer.page.xpath(f"//form[@method='post']{FOCUSED}/button")[0].text_content()
    send(cataloguer, {"title": "Merantau", "year": "19"})
    assert cataloguer.page.xpath("//form//button[contains(., 'Merantau')]")
    assert cataloguer.page.xpath("//details[@open]//input[@name='year'][@aria-invalid]/@value") == ["19"]


def test_hostile_texts_stay_texts(cataloguer: Visitor) -> None:
    cataloguer.open("/catalogue/new?q=9789791234566")
    for payload in PAYLOADS:
        send(cataloguer, {"title": payload, "author": payload, "year": "x"})
        assert cataloguer.response.status_code == 400
        page = cataloguer.page
        assert page.xpath("//input[@name='title']")[0].value == payload
        assert not page.xpath("//main//script | //main//img | //main//iframe | //main//*[@onerror or @onload]")


class Typist:
    """Counts the keys that a cataloguer presses; with a scanner, the ISBN and its Enter are none."""

    def __init__(self, page: Page) -> None:
        self.page, self.keys = page, 0

    def type(self, text: str, *keys: str) -> None:
        self.page.keyboard.type(text)
        for key in keys:
            self.page.keyboard.press(key)
        self.keys += len(text) + len(keys)

    def wait_for(self, address: str, focus: str) -> None:
        self.page.wait_for_url(address)
        expect(self.page.locator(f"#{focus}")).to_be_focused()


def test_three_books_are_added_by_keyboard_alone(library: CatalogueLibrary, visit: Visit, cataloguer: Visitor) -> None:
    at_unand = book("78", "Salah asuhan", author="Muis, Abdul", isbn="9789794075616")
    Importer(library.database)([at_unand], source="UNAND", institution="UNAND")
    page = visit("/sign-in", size=DESK, locale="en-GB")
    take_session(page, cataloguer)
    page.goto("/account")
    page.keyboard.press("Alt+n")
    Typist(page).wait_for("**/catalogue/new", "q")
    record = ["Sengsara membawa nikmat", "Tab", "Sati, Tulis", "Tab", "Jakarta", "Tab", "Balai Pustaka", "Tab", "1929"]
    cases: dict[str, tuple[str, list[str]]] = {
        "known here": (HERE, []), "known elsewhere": ("9789794075616", ["Enter"]),
        "unknown": ("9786028811361", [*record, "Enter"]),
    }  # fmt: skip
    taken = {}
    for name, (isbn, steps) in cases.items():
        typist, started = Typist(page), time.monotonic()
        typist.type(isbn, "Enter")
        if steps:
            page.wait_for_url(f"**/catalogue/new?q={isbn}")
            expect(page.locator("#title:focus, main button:focus")).to_have_count(1)
        for step in steps:
            typist.type("", step) if step in ("Tab", "Enter") else typist.type(step)
        typist.wait_for("**/catalogue/new?record=*", "count")
        typist.type("", "Enter")
        page.locator(".outcome.done").wait_for()
        typist.wait_for("**/catalogue/new", "q")
        taken[name] = (typist.keys, round(time.monotonic() - started, 1))
    print(taken)  # the seconds of the machine, without those of the hands
    assert {name: keys for name, (keys, _) in taken.items()} == {
        "known here": 15, "known elsewhere": 16, "unknown": 78,
    }  # fmt: skip


def test_the_pages_are_accessible_on_every_screen(library: CatalogueLibrary, visit: Visit, cataloguer: Visitor) -> None:
    item = add_at_desk(library, "DESK-3", "Kaba")
    page = visit("/sign-in", size=PHONE)
    take_session(page, cataloguer)
    for path in (
        "/catalogue", f"/catalogue/new?q={ELSEWHERE}", "/catalogue/new?q=9789791234566", f"/catalogue/new?q={HERE}",
        "/catalogue/fast-adds", f"/catalogue/fast-adds/{item.id}?q={HERE}",
    ):  # fmt: skip
        page.goto(path)
        check_accessibility(page)
