"""Items of cataloguers, and of edited records, beside deletions, item maps and dropped sources."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import select

from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Refused
from services.catalog.importing.dropped_sources import drop_source, undo_drop
from services.catalog.importing.missing_records import MissingRecords
from services.catalog.importing.sources import set_item_map, set_owner
from services.catalog.items.edits import get_item
from services.catalog.tables import Item
from tests.builders import book
from tests.services.catalog.cataloguing.conftest import Cataloguer, titled
from tests.services.catalog.cataloguing.test_ownership import ITEMS, barcodes
from tests.services.catalog.conftest import Importer
from tests.services.catalog.items.test_added_items import add, edit, lend

CONTEXT = system("test")
ONLY_990 = '[[way]]\nfield = "990"\nhas = ["a"]\nbarcode = "a"\nbranch = "b"\n'


def item_of(database: Database, cataloguer: Cataloguer, barcode: str) -> Item:
    with database.reading(cataloguer.context) as session:
        item = session.scalars(select(Item).where(Item.barcode == barcode)).one()
        session.expunge(item)
        return item


def test_an_import_deletes_no_record_on_which_a_cataloguer_has_items(
    database: Database, cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    (own,) = add(database, cataloguer.context, record=str(imported))
    deletion = book("1", "Kemarau", items=ITEMS)
    deletion.leader = "00000dam a2200000   4500"
    for dry_run in (True, False):
        counts = import_([deletion], dry_run=dry_run)
        assert (counts.deleted, counts.unchanged) == (0, 1)
        missing = MissingRecords(at_most=10)
        import_([book("2", "Lain")], missing=missing, dry_run=dry_run)
        assert missing.found == 0
    assert cataloguer.row(imported).deleted_at is None
    assert own.barcode in barcodes(database)


def test_the_items_of_an_edited_record_do_not_follow_a_new_item_map(
    database: Database, cataloguer: Cataloguer, imported: UUID
) -> None:
    cataloguer.save(imported, 1, titled(cataloguer.content(imported), "Kemarau panjang"))
    assert set_item_map(database, CONTEXT, code="TEST", text=ONLY_990) == 0
    assert barcodes(database) == {"A", "B"}


def test_a_dropped_source_comes_back_with_the_items_of_cataloguers(
    database: Database, cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    own, out = add(database, cataloguer.context, record=str(imported), count=2, room="Rak 1")
    lend(database, cataloguer.context, out.id)
    of_import = item_of(database, cataloguer, "A")
    edit(database, cataloguer.context, of_import.id, of_import.version, call_number="899 KEM")
    drop_source(database, CONTEXT, "TEST")
    assert barcodes(database) == {out.barcode}
    assert undo_drop(database, CONTEXT, "TEST").items == 4
    assert barcodes(database) == {"A", "B", own.barcode, out.barcode}
    after = item_of(database, cataloguer, own.barcode)
    assert (after.id, after.room, after.is_own, after.version) == (own.id, "Rak 1", True, 3)
    edited = item_of(database, cataloguer, "A")
    assert (edited.id, edited.call_number, edited.is_own) == (of_import.id, "899 KEM", True)
    lent = item_of(database, cataloguer, out.barcode)
    assert (lent.status, lent.is_leaving) == ("in_service", False)
    import_([book("1", "Kemarau", items=ITEMS)])
    assert barcodes(database) == {"A", "B", own.barcode, out.barcode}
    with database.reading(cataloguer.context) as session:
        assert get_item(session, str(own.id), context=cataloguer.context).barcode == own.barcode


def test_a_dropped_source_comes_back_with_the_items_of_an_edited_record(
    database: Database, cataloguer: Cataloguer, imported: UUID
) -> None:
    content = cataloguer.content(imported)
    content.fields = [field for field in content.fields if field[0] != "852"]
    cataloguer.save(imported, 1, content)
    before = item_of(database, cataloguer, "A")
    drop_source(database, CONTEXT, "TEST")
    undo_drop(database, CONTEXT, "TEST")
    assert barcodes(database) == {"A", "B"}
    after = item_of(database, cataloguer, "A")
    assert (after.id, after.call_number, after.position) == (before.id, before.call_number, before.position)


def test_a_barcode_that_another_item_has_by_now_is_not_given_twice(
    database: Database, cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    (own,) = add(database, cataloguer.context, record=str(imported), barcodes=["N"])
    drop_source(database, CONTEXT, "TEST")
    import_([book("9", "Lain", items=[("PST", "N")])], source="B")
    taken = item_of(database, cataloguer, "N")
    undo_drop(database, CONTEXT, "TEST")
    assert item_of(database, cataloguer, "N").id == taken.id
    assert barcodes(database) == {"A", "B", "N"} | (set() if taken.id == own.id else {None})


def test_a_source_of_the_library_itself_is_not_dropped(database: Database, cataloguer: Cataloguer) -> None:
    cataloguer.create(book("N1"))
    with pytest.raises(Refused) as refused:
        drop_source(database, CONTEXT, "here:PKS")
    assert refused.value.reason == "SOURCE_OWNED_HERE"


def test_a_record_with_an_offer_that_nobody_edited_goes_back_to_imports_with_its_source(
    database: Database, cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    for owner in ("here", "import"):
        with database.transaction(CONTEXT) as session:
            set_owner(session, "TEST", owner, context=CONTEXT)
        counts = import_([book("1", "Kemarau lain", items=ITEMS)])
        assert counts.updated == (owner == "import")
    assert cataloguer.content(imported).text("245") == "Kemarau lain"
    assert cataloguer.row(imported).version == 2
