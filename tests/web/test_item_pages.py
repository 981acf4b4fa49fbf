"""The page of an item: its facts changed and refused at the field, moved, removed, with what was changed before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from chassis.context import READER, system
from rangkiang.circulation.v1.events_pb2 import LoanCopy, LoanOpened
from services.catalog.cataloguing.items import Acquisition, add_items
from services.catalog.handlers import keep_states
from services.catalog.tables import Item
from tests.web.accessibility import check_accessibility, take_session
from tests.web.catalogue_library import CatalogueLibrary, catalogue_library
from tests.web.visitors import Visitor, visitor

_numbers = count(100)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogueLibrary]:
    with catalogue_library(tmp_path_factory.mktemp("library")) as library:
        yield library


@pytest.fixture(scope="module")
def manager(library: CatalogueLibrary) -> Iterator[Visitor]:
    with visitor(library.address) as manager:
        assert manager.sign_in(library.add_staff("manager", name="Budi")).status_code == 303
        yield manager


def new_item(library: CatalogueLibrary, title: str = "Robohnya surau kami") -> tuple[str, str, str]:
    """Import a record with an item. Returns the path of the item, its barcode and the id of the record."""
    number = str(next(_numbers))
    record_id = library.import_(number, title, (f"B{number}",))
    with library.database.reading(READER) as session:
        item_id = session.scalars(select(Item.id).where(Item.barcode == f"B{number}")).one()
    return f"/catalogue/items/{item_id}", f"B{number}", record_id


def errors(visitor: Visitor) -> dict[str, str]:
    return {span.get("id"): span.text_content() for span in visitor.page.xpath("//span[@class='error']")}


def history(visitor: Visitor) -> list[str]:
    return [" ".join(entry.text_content().split()) for entry in visitor.page.xpath("//ol[@class='people']/li")]


def test_every_fact_of_an_item_is_changed_and_the_change_is_in_its_history(
    library: CatalogueLibrary, manager: Visitor
) -> None:
    path, barcode, _ = new_item(library)
    manager.open(path)
    typed = {
        "status": "in_repair", "branch": "PKS/TJH", "collection": "reference", "room": "Lantai 2",
        "call_number": "R 899.221 NAV r", "barcode": f"{barcode}-2",
    }  # fmt: skip
    manager.send(path, typed)
    assert "Saved." in manager.text
    form = manager.form(path)
    assert {name: form[name] for name in typed} == typed
    (change,) = history(manager)
    for text in (
        "Status: in service → in repair", "Branch: PST → TJH", "Collection: empty → Reference",
        "Room or shelf: empty → Lantai 2", "Call number: 899.221 NAV r → R 899.221 NAV r",
        f"Barcode: {barcode} → {barcode}-2", "Budi",
    ):  # fmt: skip
        assert text in change
    manager.send(path)
    assert len(history(manager)) == 1, "a save without a change is none"


def test_a_change_of_the_barcode_leaves_the_status_to_later_imports(
    library: CatalogueLibrary, manager: Visitor
) -> None:
    path, barcode, _ = new_item(library)
    manager.open(path)
    manager.send(path, {"barcode": f"{barcode}-2"})
    (change,) = history(manager)
    assert "Status" not in change


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("barcode", "PST0", "Another item"),
        ("barcode", "", "A barcode has 1 to 64 characters"),
        ("room", "x" * 65, "“Room or shelf” cannot be used"),
        ("call_number", "x" * 201, "“Call number” cannot be used"),
        ("collection", "x" * 33, "“Collection” cannot be used"),
        ("branch", "PKS/XXX", "This library has no branch PKS/XXX."),
        ("status", "lost", "There is no status lost."),
    ],
)
def test_a_refusal_is_beside_its_field_and_the_typed_values_stay(
    library: CatalogueLibrary, manager: Visitor, field: str, value: str, sentence: str
) -> None:
    path, _, _ = new_item(library)
    manager.open(path)
    other = "barcode" if field == "room" else "room"
    answer = manager.send(path, {field: value, other: "Ketikan"})
    assert answer.status_code in (400, 409)
    (error,) = errors(manager).items()
    assert error[0] == f"{field}-error"
    assert sentence in error[1]
    assert manager.form(path)[other] == "Ketikan"


def test_of_two_librarians_at_once_the_second_sees_both_sides_and_loses_nothing(
    library: CatalogueLibrary, manager: Visitor
) -> None:
    path, _, _ = new_item(library)
    with visitor(library.address) as other:
        other.sign_in(library.add_staff("cataloguer", name="Rosnida"))
        for each in (manager, other):
            each.open(path)
        manager.send(path, {"room": "Lantai 1", "status": "in_repair"})
        assert other.send(path, {"room": "Lantai 2", "collection": "reference"}).status_code == 412
        assert "Somebody else changed this item" in other.text
        assert "Room or shelf: now Lantai 1; yours Lantai 2" in other.text
        assert (other.form(path)["room"], other.form(path)["status"]) == ("Lantai 2", "in_repair")
        other.send(path)
        assert "Saved." in other.text
        values = other.form(path)
    assert (values["room"], values["status"], values["collection"]) == ("Lantai 2", "in_repair", "reference")


@pytest.mark.parametrize("by", ["title", "barcode", "address"])
def test_an_item_moves_to_a_record_found_by_words_another_item_or_its_address(
    library: CatalogueLibrary, manager: Visitor, by: str
) -> None:
    path, barcode, record_id = new_item(library, "Salah alamat")
    _, other_barcode, target = new_item(library, f"Tujuan {by}")
    library.index()
    query = {"title": f"tujuan {by}", "barcode": other_barcode, "address": f"{library.address}/records/{target}"}[by]
    manager.open(f"{path}/move?q={query}")
    assert manager.page.xpath("//main//li//h2/a/@href") == [f"/records/{target}"]
    manager.send(f"{path}/moves")
    assert "The item now belongs to this record." in manager.text
    assert f"Tujuan {by}" in manager.text
    assert manager.form(path)["barcode"] == barcode
    assert f"/records/{record_id}" in manager.page.xpath("//ol[@class='people']//a/@href")


def test_a_record_of_nobody_is_no_place_for_an_item(library: CatalogueLibrary, manager: Visitor) -> None:
    path, _, record_id = new_item(library)
    _, _, target = new_item(library)
    manager.open(f"{path}/move?q={target}")
    library.empty_and_delete(target)
    assert manager.send(f"{path}/moves").status_code == 410
    assert "was deleted" in manager.text
    manager.open(f"{path}/move?q={record_id}")
    assert "No record of this library fits." in manager.text


def test_an_item_is_removed_with_a_reason_unless_it_is_out(library: CatalogueLibrary, manager: Visitor) -> None:
    path, _, _ = new_item(library)
    manager.open(path)
    assert manager.send(f"{path}/removal", {"reason": " "}).status_code == 400
    assert "“Reason” cannot be used" in errors(manager)["reason-error"]
    lend(library, path.rpartition("/")[2])
    assert manager.send(f"{path}/removal", {"reason": "Rusak kena banjir"}).status_code == 409
    assert "This item is out" in manager.text
    other, _, record_id = new_item(library)
    manager.open(other)
    manager.send(f"{other}/removal", {"reason": "Rusak kena banjir"})
    assert manager.response.url.path == f"/records/{record_id}"
    manager.response = manager.http.send(manager.response.history[0].request, follow_redirects=True)
    assert manager.response.url.path == f"/records/{record_id}", "a second click is no error"
    manager.open(other)
    assert manager.response.status_code == 404


def lend(library: CatalogueLibrary, item_id: str) -> None:
    loan = LoanCopy(
        item_id=item_id, institution_id=str(library.institution), state="on_loan", state_version=1, due_on="2026-12-03"
    )
    with library.database.transaction(system("test")) as session:
        keep_states(session, [(LoanOpened(loan=loan), system("test"))])


def test_an_item_leads_to_its_entry_in_the_register_and_to_its_label(
    library: CatalogueLibrary, manager: Visitor
) -> None:
    _, _, record_id = new_item(library)
    with library.database.transaction(library.context) as session:
        (added,) = add_items(
            session, record_id, count=1, branch="PKS/PST", acquisition=Acquisition("purchase", amount=85_000),
            context=library.context,
        )  # fmt: skip
    entry = f"/catalogue/register/{added.id}"
    links = manager.open(f"/catalogue/items/{added.id}").xpath("//main//a/@href")
    assert {entry, f"/catalogue/labels?item={added.id}"} <= set(links)
    with visitor(library.address) as desk:
        desk.sign_in(library.add_staff("desk"))
        assert entry not in desk.open(f"/catalogue/items/{added.id}").xpath("//main//a/@href")
    manager.open(entry)
    manager.send(entry, {"price": "90000", "reason": "Salah ketik"})
    manager.open(entry)
    assert manager.form(entry)["price"] == "90000"


def test_staff_reach_an_item_from_its_record_and_readers_do_not(library: CatalogueLibrary, manager: Visitor) -> None:
    path, _, record_id = new_item(library)
    hrefs = manager.open(f"/records/{record_id}").xpath("//main//a/@href")
    assert {path, f"/catalogue/records/{record_id}/versions", f"/catalogue/new?record={record_id}"} <= set(hrefs)
    with visitor(library.address) as reader:
        links = reader.open(f"/records/{record_id}").xpath("//main//a/@href")
        assert [link for link in links if link.startswith("/catalogue")] == []
        reader.sign_in(library.add_staff("desk"))
        reader.open(path)
        assert reader.response.status_code == 200
        assert reader.page.xpath("//fieldset[@disabled]"), "who may only read items sees the values"


def test_the_pages_are_accessible_on_every_screen(
    library: CatalogueLibrary, manager: Visitor, browser: Browser
) -> None:
    path, _, _ = new_item(library, "Judul yang lebih panjang dari biasanya untuk layar yang sempit")
    manager.open(path)
    manager.send(path, {"room": "Lantai 2", "branch": "PKS/TJH"})
    _, _, target = new_item(library)
    page = browser.new_page(base_url=library.address)
    page.goto("/")
    take_session(page, manager)
    for each in (path, f"{path}/move?q={target}"):
        assert page.goto(each).status == 200  # type: ignore[union-attr]
        check_accessibility(page)
    page.close()
