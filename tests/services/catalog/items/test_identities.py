"""Items keep their ids while their barcodes stay in the institution; other services get only changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import delete, select

from chassis.bus.outbox import outbox
from chassis.context import READER, system
from chassis.database.db import Database
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged, ItemsChanged
from services.catalog.items.events import copy_of_item, copy_page
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import GoneItem, Item, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer

CONTEXT = system("test")


def ids(database: Database) -> dict[str | None, UUID]:
    """Barcode -> id of the stored items."""
    with database.reading(READER) as session:
        return {row.barcode: row.id for row in session.scalars(select(Item))}


def owners(database: Database) -> dict[str, str]:
    """Barcode -> control key of its record."""
    with database.reading(READER) as session:
        rows = session.execute(
            select(Item.barcode, Record.control_key).join(Record, Record.number == Item.record_number)
        )
        return {row.barcode or "-": row.control_key.rpartition("|")[2][-1] for row in rows}


def take_events(database: Database, kind: Any = ItemsChanged) -> list[dict[str, Any]]:
    """The items of all events since the last call, in order."""
    with database.transaction(CONTEXT) as session:
        of_type = outbox.c.type == kind.DESCRIPTOR.full_name
        bodies = session.scalars(select(outbox.c.body).where(of_type).order_by(outbox.c.id)).all()
        session.execute(delete(outbox).where(of_type))
    return [item for body in bodies for item in orjson.loads(body).get("items", orjson.loads(body).get("institutions"))]


def batches(import_: Importer, *files: Iterable[Marc], together: bool) -> None:
    """Import records in one batch and one run; or each in a batch of its own, of one run."""
    records = [record for file in files for record in file]
    if together:
        import_(records)
        return
    for record in records:
        import_([record])


def test_a_second_import_keeps_ids_and_publishes_only_changes(database: Database, import_: Importer) -> None:
    import_([book("1", items=[("PST", "A"), ("PST", "B")]), book("2", "Kemarau", items=[("PST", "C")])])
    first = ids(database)
    events = take_events(database)
    assert sorted(item["barcode"] for item in events) == ["A", "B", "C"]
    whole = next(item for item in events if item["barcode"] == "C")
    assert {name: whole[name] for name in ("title", "class", "language", "year", "version", "status")} == {
        "title": "Kemarau", "class": "899", "language": "ind", "year": 1956, "version": 1, "status": "in_service",
    }  # fmt: skip
    import_([book("1", items=[("PST", "B"), ("UTR", "A")]), book("2", "Kemarau", items=[("PST", "C")])])
    assert ids(database) == first
    assert [(item["barcode"], item["version"]) for item in take_events(database)] == [("A", 2)]
    import_([book("2", "Kemarau panjang", items=[("PST", "C")])])
    assert [(item["title"], item["version"]) for item in take_events(database)] == [("Kemarau panjang", 2)]
    import_([book("2", "Kemarau panjang", items=[("PST", "C")], subjects=["Sawah"])])
    assert take_events(database) == []


@pytest.mark.parametrize("new_record_first", [True, False])
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "several batches"])
def test_a_barcode_that_moves_to_another_record_keeps_its_id(
    database: Database, import_: Importer, new_record_first: bool, together: bool
) -> None:
    import_([book("1", items=[("PST", "A"), ("PST", "B")])])
    item_id = ids(database)["B"]
    without, with_it = [book("1", items=[("PST", "A")])], [book("2", "Kemarau", items=[("PST", "B")])]
    files = [with_it, without] if new_record_first else [without, with_it]
    batches(import_, *files, together=together)
    assert ids(database) == {"A": ids(database)["A"], "B": item_id}
    assert owners(database) == {"A": "1", "B": "2"}
    newest = {item["id"]: item for item in take_events(database)}
    assert (newest[str(item_id)]["title"], newest[str(item_id)].get("gone")) == ("Kemarau", None)
    with database.reading(READER) as session:
        assert session.scalars(select(GoneItem.barcode)).all() in ([], [None])
        holdings = [orjson.loads(row) for row in session.scalars(select(Record.holdings).order_by(Record.number))]
    assert [[entry["items"] for entry in record] for record in holdings] == [[1], [1]]


@pytest.mark.parametrize("new_record_first", [True, False])
def test_a_barcode_that_two_records_claim_stays_where_it_was(
    database: Database, import_: Importer, new_record_first: bool
) -> None:
    import_([book("1", items=[("PST", "A")])])
    item_id = ids(database)["A"]
    old, new = book("1", items=[("PST", "A")], subjects=["Surau"]), book("2", "Kemarau", items=[("PST", "A")])
    import_([new, old] if new_record_first else [old, new])
    assert import_.reasons == ["BARCODE_IN_USE"]
    assert ids(database)["A"] == item_id
    assert owners(database) == {"A": "1", "-": "2"}


def test_records_that_exchange_barcodes_in_two_batches_keep_both_ids(database: Database, import_: Importer) -> None:
    import_([book("1", items=[("PST", "A")]), book("2", "Kemarau", items=[("PST", "B")])])
    before = ids(database)
    batches(import_, [book("1", items=[("PST", "B")])], [book("2", "Kemarau", items=[("PST", "A")])], together=False)
    assert ids(database) == before
    assert owners(database) == {"A": "2", "B": "1"}


def test_a_removed_item_is_published_and_gets_its_id_back(database: Database, import_: Importer) -> None:
    import_([book("1", items=[("PST", "A")])])
    item_id = ids(database)["A"]
    take_events(database)
    import_([book("1")])
    assert ids(database) == {}
    gone = take_events(database)
    assert [(item["id"], item["version"], item["gone"], item["title"]) for item in gone] == [
        (str(item_id), 2, True, "Robohnya surau kami")
    ]
    with database.reading(READER) as session:
        copies, cursor = copy_page(session, "")
        assert copy_of_item(session, item_id=str(item_id), barcode="", institution_id="").gone
    assert ([(copy.id, copy.version, copy.gone) for copy in copies], cursor) == ([(str(item_id), 2, True)], "")
    import_([book("2", "Kemarau", items=[("PST", "A")])])
    assert ids(database) == {"A": item_id}
    assert [(item["version"], item.get("gone")) for item in take_events(database)] == [(3, None)]
    with database.reading(READER) as session:
        copies, _ = copy_page(session, "")
    assert [(copy.version, copy.gone, copy.title) for copy in copies] == [(3, False, "Kemarau")]


def test_an_item_that_gets_a_barcode_keeps_its_id(database: Database, import_: Importer) -> None:
    import_([book("1", items=[("PST", "")])])
    (item_id,) = ids(database).values()
    import_([book("1", items=[("PST", "A")])])
    assert ids(database) == {"A": item_id}


def test_facts_and_pages_have_at_most_their_number_of_items(database: Database, import_: Importer) -> None:
    import_([book("1", items=[("PST", f"{number:04}") for number in range(450)]), *(
        book(str(number), f"Kemarau {number}", items=[("PST", f"K{number}")]) for number in range(2, 60)
    )])  # fmt: skip
    with database.reading(READER) as session:
        of_items = outbox.c.type == ItemsChanged.DESCRIPTOR.full_name
        bodies = session.scalars(select(outbox.c.body).where(of_items)).all()
        first, cursor = copy_page(session, "")
        second, end = copy_page(session, cursor)
    assert [len(orjson.loads(body)["items"]) for body in bodies] == [200, 200, 108]
    assert (len(first), len(second), end) == (500, 8, "")
    assert {copy.id for copy in [*first, *second]} == {str(item_id) for item_id in ids(database).values()}


def test_a_branch_that_an_import_opens_is_published_with_its_institution(database: Database, import_: Importer) -> None:
    import_([book("1", items=[("PST", "A")])])
    import_([book("1", items=[("UTR", "A")])])
    events = take_events(database, InstitutionsChanged)
    versions = [(int(event["version"]), [branch["code"] for branch in event["branches"]]) for event in events]
    assert versions == [(2, ["PST"]), (3, ["PST", "UTR"])]
