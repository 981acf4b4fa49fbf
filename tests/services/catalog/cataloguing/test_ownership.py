"""Imports beside edits: the edit stays, and what the import brings lies beside it."""

from __future__ import annotations

import threading
from uuid import UUID

from sqlalchemy import select, update

from chassis.context import READER, system
from chassis.database.db import Database
from services.catalog.importing.dropped_sources import drop_source, undo_drop
from services.catalog.importing.fast_adds import delete_empty_records, fast_add
from services.catalog.importing.missing_records import MissingRecords
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import EditedRecord, Item, Record, Source
from tests.builders import book
from tests.services.catalog.cataloguing.conftest import Cataloguer, titled
from tests.services.catalog.conftest import Importer

ITEMS = [("PST", "A"), ("PST", "B")]


def offer_of(database: Database, record_id: UUID) -> list[list[str]] | None:
    with database.reading(READER) as session:
        row = session.scalars(
            select(EditedRecord).join(Record, Record.number == EditedRecord.record_number).where(Record.id == record_id)
        ).one()
        assert (row.offer is None) == (row.offer_id is None) == (row.offered_at is None)
        return None if row.offer is None else Marc.unpack(row.offer).fields


def barcodes(database: Database) -> set[str | None]:
    with database.reading(READER) as session:
        return set(session.scalars(select(Item.barcode)))


def test_the_edit_stays_and_the_offer_is_there(
    database: Database, cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    edited = titled(cataloguer.content(imported), "Kemarau panjang")
    cataloguer.save(imported, 1, edited)
    counts = import_([book("1", "Kemarau", items=ITEMS)])
    assert (counts.updated, counts.unchanged, offer_of(database, imported)) == (0, 1, None)  # what was edited
    for _ in range(2):
        counts = import_([book("1", "Kemarau", items=ITEMS, subjects=["Novel"])])
        assert (counts.created, counts.updated, counts.unchanged) == (0, 0, 1)
        assert cataloguer.content(imported) == edited
        assert offer_of(database, imported) == book("1", "Kemarau", items=ITEMS, subjects=["Novel"]).fields
    assert import_.reasons == []  # the second time it brings nothing new
    import_([book("1", "Kemarau", items=ITEMS, subjects=["Cerita"])])
    assert import_.reasons == ["RECORD_EDITED_HERE"]
    assert offer_of(database, imported) == book("1", "Kemarau", items=ITEMS, subjects=["Cerita"]).fields


def test_a_dry_run_counts_as_the_import_does(cataloguer: Cataloguer, imported: UUID, import_: Importer) -> None:
    cataloguer.save(imported, 1, titled(cataloguer.content(imported), "Kemarau panjang"))
    changed = [book("1", "Kemarau", items=ITEMS, subjects=["Novel"]), book("9", "Baru")]
    previewed = import_(changed, dry_run=True)
    assert import_.reasons == ["RECORD_EDITED_HERE"]
    counts = import_(changed)
    assert (previewed.created, previewed.updated, previewed.unchanged) == (1, 0, 1)
    assert (counts.created, counts.updated, counts.unchanged) == (1, 0, 1)


def test_an_import_still_brings_the_items_of_an_edited_record(
    database: Database, cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    cataloguer.save(imported, 1, titled(cataloguer.content(imported), "Kemarau panjang"))
    import_([book("1", "Kemarau", items=[("PST", "A"), ("PST", "C")])])
    assert barcodes(database) == {"A", "C"}
    assert b'"items":2' in cataloguer.row(imported).holdings


def test_an_import_deletes_no_record_that_is_edited_here(
    cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    cataloguer.save(imported, 1, titled(cataloguer.content(imported), "Kemarau panjang"))
    own = cataloguer.create(book("N1"))
    deletion = book("1", "Kemarau", items=ITEMS)
    deletion.leader = "00000dam a2200000   4500"
    for dry_run in (True, False):
        counts = import_([deletion], dry_run=dry_run)
        assert (counts.deleted, counts.unchanged) == (0, 1)
        missing = MissingRecords(at_most=10)
        import_([book("2", "Lain")], missing=missing, dry_run=dry_run)
        assert missing.found == 0
    assert cataloguer.content(imported).text("245") == "Kemarau panjang"
    assert cataloguer.content(own.id).text("245") == "Robohnya surau kami"


def test_a_source_of_the_library_itself_only_gets_new_records_from_imports(
    database: Database, cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    with database.transaction(system("test")) as session:
        session.execute(update(Source).values(owner="here"))
    counts = import_([book("1", "Kemarau lain", items=ITEMS), book("2", "Baru")])
    assert (counts.created, counts.updated, counts.unchanged) == (1, 0, 1)
    assert cataloguer.content(imported).text("245") == "Kemarau"
    assert offer_of(database, imported) == book("1", "Kemarau lain", items=ITEMS).fields
    cataloguer.save(imported, 1, titled(cataloguer.content(imported), "Dua"))
    assert [version.act for version in cataloguer.versions(imported)] == ["edit", "import"]


def test_a_dropped_source_comes_back_with_its_edits(
    database: Database, cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    edited = titled(cataloguer.content(imported), "Kemarau panjang")
    cataloguer.save(imported, 1, edited)
    drop_source(database, system("test"), "TEST")
    undo_drop(database, system("test"), "TEST")
    assert cataloguer.content(imported) == edited
    import_([book("1", "Kemarau", items=ITEMS, subjects=["Novel"])])
    assert cataloguer.content(imported) == edited


def test_a_brief_record_that_a_cataloguer_completed_stays_without_items(
    database: Database, cataloguer: Cataloguer
) -> None:
    with database.transaction(cataloguer.context) as session:
        added = fast_add(session, barcode="N", branch="PKS/PST", title="Negeri", context=cataloguer.context)
    record_id = UUID(added.record_id)
    cataloguer.save(record_id, 1, titled(cataloguer.content(record_id), "Negeri 5 menara"))
    with database.transaction(cataloguer.context) as session:
        session.delete(session.scalars(select(Item).where(Item.barcode == "N")).one())
    assert delete_empty_records(database, system("test"), threading.Event()) == 0
