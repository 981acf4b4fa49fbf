"""The accession register agrees with the catalogue, whatever removes an item or brings it back."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from chassis.audit import acts
from chassis.context import Context, system
from chassis.database.db import Database
from services.catalog.cataloguing.items import Acquisition
from services.catalog.cataloguing.records import delete_record
from services.catalog.importing.dropped_sources import drop_source
from services.catalog.importing.fast_adds import fast_add
from services.catalog.items.gone_items import REMOVED_WITH_RECORD
from services.catalog.tables import Accession, Item, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.items.test_added_items import add, edit, record_id, remove
from tests.services.catalog.items.test_edits import caller
from tests.services.catalog.items.test_identities import ids

__all__ = ["caller"]


def entry(database: Database, caller: Context, item_id: UUID) -> Accession:
    with database.reading(caller) as session:
        row = session.get_one(Accession, item_id)
        session.expunge(row)
        return row


def test_an_item_that_a_desk_adds_again_is_in_the_register_again(database: Database, caller: Context) -> None:
    (added,) = add(database, caller, barcodes=["N"])
    remove(database, caller, added.id, 1)
    with database.transaction(caller) as session:
        fast_add(session, barcode="N", branch="PKS/PST", title="Kemarau", context=caller)
    row = entry(database, caller, added.id)
    with database.reading(caller) as session:
        number = session.scalars(select(Item.record_number).where(Item.id == added.id)).one()
    assert (row.removal, row.removed_at, row.record_number) == ("", None, number)


def test_own_items_that_are_gone_with_their_record_are_removed_in_the_register(
    database: Database, caller: Context
) -> None:
    (added,) = add(database, caller, barcodes=["N"])
    for barcode in "ABN":
        edit(database, caller, ids(database)[barcode], 1, status="withdrawn")
    record = record_id(database, caller)
    with database.transaction(caller) as session:
        version = session.scalars(select(Record.version)).one()
        delete_record(session, record, version=version, context=caller)
    row = entry(database, caller, added.id)
    assert (row.removal, row.removed_at is None) == (REMOVED_WITH_RECORD, False)


def test_an_item_that_comes_back_keeps_its_entry_and_the_audit_has_the_reason_of_its_removal(
    database: Database, caller: Context
) -> None:
    (added,) = add(database, caller, barcodes=["N"])
    remove(database, caller, added.id, 1, "Hilang di rak")
    add(database, caller, barcodes=["N"], acquisition=Acquisition("purchase", supplier="Toko Anggrek"))
    row = entry(database, caller, added.id)
    assert (row.number, row.source, row.removal) == (added.accession_number, "gift", "")
    with database.reading(caller) as session:
        facts = session.scalars(select(acts.c.facts).where(acts.c.act == "catalog.add_items")).all()[-1]
    assert "Hilang di rak" in str(facts)
    assert "Toko Anggrek" not in str(facts)


def test_an_import_that_brings_an_item_back_clears_its_removal(
    database: Database, caller: Context, import_: Importer
) -> None:
    (added,) = add(database, caller, barcodes=["N"])
    drop_source(database, system("test"), "TEST")
    assert entry(database, caller, added.id).removal == REMOVED_WITH_RECORD
    import_([book("1", "Kemarau", items=[("PST", "N")])])
    assert ids(database) == {"N": added.id}
    assert entry(database, caller, added.id).removal == ""
