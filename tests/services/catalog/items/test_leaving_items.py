"""Items that leave at their return stay when staff decide otherwise, or when their record comes back."""

from __future__ import annotations

from sqlalchemy import select

from chassis.context import READER, Context, system
from chassis.database.db import Database
from services.catalog.cataloguing.records import restore_record
from services.catalog.importing.dropped_sources import drop_source, undo_drop
from services.catalog.tables import Item
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.importing.test_deletions import deletion, lend, statuses
from tests.services.catalog.items.test_added_items import add, edit, record_id
from tests.services.catalog.items.test_edits import caller
from tests.services.catalog.items.test_identities import ids

__all__ = ["caller"]


def version_of(database: Database, barcode: str) -> int:
    with database.reading(READER) as session:
        return session.scalars(select(Item.version).where(Item.barcode == barcode)).one()


def let_leave(database: Database, import_: Importer) -> None:
    """Item A is lent, and its record names it no more."""
    lend(database, "A")
    import_([book("1", "Lain", items=[("PST", "B")]), book("2", "Kemarau", items=[("PST", "C")])])
    assert statuses(database) == {"A": "withdrawn", "B": "in_service", "C": "in_service"}


def test_an_item_that_leaves_stays_when_staff_set_its_status(
    database: Database, caller: Context, import_: Importer
) -> None:
    let_leave(database, import_)
    edit(database, caller, ids(database)["A"], version_of(database, "A"), status="in_service")
    import_([book("1", "Lagi", items=[("PST", "B")])])
    lend(database, "A", "in", 2)
    assert statuses(database) == {"A": "in_service", "B": "in_service", "C": "in_service"}


def test_an_item_that_leaves_stays_when_staff_move_it(database: Database, caller: Context, import_: Importer) -> None:
    let_leave(database, import_)
    target = record_id(database, caller, "2")
    edit(database, caller, ids(database)["A"], version_of(database, "A"), record_id=target)
    lend(database, "A", "in", 2)
    assert statuses(database) == {"A": "in_service", "B": "in_service", "C": "in_service"}


def test_an_item_that_leaves_stays_when_staff_edit_its_place(
    database: Database, caller: Context, import_: Importer
) -> None:
    let_leave(database, import_)
    edit(database, caller, ids(database)["A"], version_of(database, "A"), room="Lantai 2")
    import_([book("1", "Lagi", items=[("PST", "A"), ("PST", "B")])])
    lend(database, "A", "in", 2)
    assert statuses(database) == {"A": "in_service", "B": "in_service", "C": "in_service"}


def test_an_item_that_leaves_still_leaves_with_another_barcode(
    database: Database, caller: Context, import_: Importer
) -> None:
    let_leave(database, import_)
    edit(database, caller, ids(database)["A"], version_of(database, "A"), barcode="A2")
    lend(database, "A2", "in", 2)
    assert statuses(database) == {"B": "in_service", "C": "in_service"}


def test_an_item_that_is_out_stays_when_staff_restore_the_record_that_an_import_deleted(
    database: Database, caller: Context, import_: Importer
) -> None:
    lend(database, "A")
    record = record_id(database, caller)
    import_([deletion("1")])
    assert statuses(database) == {"A": "withdrawn"}
    with database.transaction(caller) as session:
        restore_record(session, record, of_version=0, version=2, context=caller)
    lend(database, "A", "in", 2)
    assert statuses(database) == {"A": "in_service"}


def test_an_own_item_that_is_out_stays_when_its_source_comes_back(
    database: Database, caller: Context, import_: Importer
) -> None:
    add(database, caller, barcodes=["N"])
    lend(database, "N")
    drop_source(database, system("test"), "TEST")
    assert statuses(database) == {"N": "withdrawn"}
    undo_drop(database, system("test"), "TEST")
    lend(database, "N", "in", 2)
    assert statuses(database) == {"A": "in_service", "B": "in_service", "N": "in_service"}
