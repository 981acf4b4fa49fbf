"""Imports read items by the map of their source; a changed map applies to stored records."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from sqlalchemy import Row, select, text, update

from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from services.catalog.importing import backfill, sources
from services.catalog.items.item_maps import USUAL
from services.catalog.tables import Branch, IndexQueue, Item, Record, Source
from tests.builders import book
from tests.services.catalog.conftest import Importer

OWN = """
[[way]]
field = "990"
has = ["a"]
barcode = "a"
branch = "b"
call_number = "c"
enumeration = "v"

[branches]
"01" = "PST"
"""
BOOKS = [
    book("1", more=[["990", "  ", "a", "K1", "b", "01", "c", "813 NAV r", "v", "Jilid 2, 2019"]]),
    book("2", items=[("TJH", "K2")]),
]
CONTEXT = system("test")


def items(database: Database) -> Sequence[Row[Any]]:
    with database.reading(READER) as session:
        return session.execute(
            select(
                Item.id, Item.barcode, Item.call_number, Item.call_sort, Item.enumeration, Item.chronology,
                Branch.code.label("branch"),
            )
            .join(Branch, Branch.id == Item.branch_id)
            .order_by(Item.record_number, Item.position)
        ).all()  # fmt: skip


def records(database: Database) -> dict[str, Row[Any]]:
    with database.reading(READER) as session:
        rows = session.execute(select(Record.control_key, Record.number, Record.version, Record.holdings)).all()
    return {row.control_key: row for row in rows}


def map_(database: Database, text: str) -> int:
    return sources.set_item_map(database, CONTEXT, code="TEST", text=text)


def queued(database: Database) -> dict[int, int]:
    with database.reading(READER) as session:
        return {row.record_number: row.version for row in session.execute(select(IndexQueue)).scalars()}


def test_a_map_reads_the_records_that_are_there_anew(database: Database, import_: Importer) -> None:
    import_(BOOKS)
    assert [item.barcode for item in items(database)] == ["K2"]
    assert map_(database, OWN) == 2
    (item,) = items(database)
    assert (item.barcode, item.branch, item.call_number) == ("K1", "PST", "813 NAV r")
    assert (item.enumeration, item.chronology) == ("Jilid 2", "2019")
    records_by_key = records(database)
    assert {record.version for record in records_by_key.values()} == {2}
    assert queued(database) == {record.number: 2 for record in records_by_key.values()}
    assert [holding["branch"] for holding in orjson.loads(bytes(records_by_key["(TEST)1"].holdings))] == ["PST"]
    assert orjson.loads(bytes(records_by_key["(TEST)2"].holdings)) == []


def test_reading_items_again_publishes_the_changed_records(database: Database, import_: Importer) -> None:
    import_(BOOKS)
    map_(database, OWN)
    with database.reading(READER) as session:
        aggregate_ids = (
            session.execute(text("SELECT aggregate_id FROM outbox WHERE type LIKE '%.RecordsChanged' ORDER BY id"))
            .scalars()
            .all()
        )
    assert [aggregate_id.partition(":")[0] for aggregate_id in aggregate_ids] == ["import-run", "reshelving"]


def test_the_same_map_again_changes_nothing(database: Database, import_: Importer) -> None:
    import_(BOOKS)
    map_(database, OWN)
    old_items = items(database)
    assert map_(database, OWN) == 0
    assert items(database) == old_items
    assert {record.version for record in records(database).values()} == {2}


def test_an_item_keeps_its_id_and_the_usual_map_comes_back(database: Database, import_: Importer) -> None:
    import_(BOOKS[1:])
    (old_item,) = items(database)
    map_(database, '[[way]]\nfield = "852"\nhas = ["p"]\nbarcode = "p"\nbranch = "b"')
    (meanwhile,) = items(database)
    assert (meanwhile.id, meanwhile.call_number) == (old_item.id, "")
    map_(database, "")
    assert items(database) == [old_item]


def test_imports_use_the_sources_map(database: Database, import_: Importer) -> None:
    import_(BOOKS[1:])
    map_(database, OWN)
    import_(BOOKS[:1])
    assert [item.barcode for item in items(database)] == ["K1"]
    with database.reading(READER) as session:
        assert sources.item_map_of(session, "TEST") != USUAL
        assert sources.item_map_of(session, "ANOTHER") == USUAL


def test_a_wrong_map_is_refused_and_nothing_changes(database: Database, import_: Importer) -> None:
    import_(BOOKS)
    with pytest.raises(Invalid):
        map_(database, "[[way]]")
    with database.reading(READER) as session:
        assert sources.source(session, "TEST").item_map == ""
    with pytest.raises(NotFound):
        sources.set_item_map(database, CONTEXT, code="NIHIL", text=OWN)


def test_an_import_with_an_unusable_map_is_refused_with_the_reason(database: Database, import_: Importer) -> None:
    import_(BOOKS[1:])
    with database.transaction(CONTEXT) as session:
        session.execute(update(Source).values(item_map="[[way"))
    with pytest.raises(Invalid) as refusal:
        import_(BOOKS[:1])
    assert refusal.value.reason == "ITEM_MAP"


def test_sources_are_listed_with_what_they_have(database: Database, import_: Importer) -> None:
    import_(BOOKS)
    import_([], source="KOSONG")
    map_(database, OWN)
    with database.reading(READER) as session:
        source_rows = [
            (source.code, source.institution, source.records, bool(source.item_map))
            for source in sources.sources(session)
        ]
    assert source_rows == [("KOSONG", "PKS", 0, False), ("TEST", "PKS", 2, True)]


def test_items_of_an_older_release_find_their_places(database: Database, import_: Importer) -> None:
    import_(BOOKS)
    old_items = items(database)
    with database.transaction(CONTEXT) as session:
        session.execute(update(Item).values(call_sort="", enumeration=""))
    assert backfill.fill_missing_items(database, CONTEXT, threading.Event()) == 1
    assert items(database) == old_items
    assert {record.version for record in records(database).values()} == {1}
    assert backfill.fill_missing_items(database, CONTEXT, threading.Event()) == 0
