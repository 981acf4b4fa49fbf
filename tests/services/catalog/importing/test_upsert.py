"""An imported record is created, updated, unchanged, or another record with the same number."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select

from chassis import clock
from chassis.bus.outbox import outbox
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import RecordsChanged
from services.catalog.importing.decode import IncomingRecord
from services.catalog.importing.runs import Counts
from services.catalog.importing.upsert import Decision, StoredRecord, decide, open_target, upsert_batch
from services.catalog.items.parsing import items_of
from services.catalog.record.brief import brief
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import Branch, IndexQueue, Institution, Item, Record, Source
from services.catalog.works.keys import record_keys_of
from tests.builders import book, iso
from tests.services.catalog.conftest import Importer

CONTEXT = system("test")


def incoming(key: str, content: str = "a", ordinal: int = 1) -> IncomingRecord:
    record = book(key, content, items=[("PST", f"B{key}")])
    return IncomingRecord(
        ordinal=ordinal,
        position=0,
        key=key,
        fingerprint=content.encode().ljust(32, b"."),
        marc=record.pack(),
        brief=orjson.dumps(brief(record, institution="PKS")),
        items=items_of(record),
        record_keys=record_keys_of(record),
        facts=facts_of_packed(record.pack()),
    )


def decided(there: dict[str, StoredRecord], *batch: IncomingRecord) -> Decision:
    return decide(there, batch, count(100))


def stored(content: str, *, in_this_run: bool = False, number: int = 1, version: int = 1) -> StoredRecord:
    return StoredRecord(number, new_id(), content.encode().ljust(32, b"."), version, 0, in_this_run)


def outline(decision: Decision) -> list[tuple[int, int, bool]]:
    """(number, version, fresh) of each record to write."""
    return [(to.row.number, to.version, to.fresh) for to in decision.touched]


def test_a_new_key_is_a_new_record() -> None:
    assert outline(decided({}, incoming("1"), incoming("2"))) == [(100, 1, True), (101, 1, True)]


def test_a_changed_record_is_the_next_version() -> None:
    assert outline(decided({"1": stored("old", version=4)}, incoming("1", "new"))) == [(1, 5, False)]


def test_an_unchanged_record_is_only_remembered_as_met() -> None:
    decision = decided({"1": stored("a", number=9)}, incoming("1", "a"))
    assert (outline(decision), decision.seen, decision.warnings) == ([], [9], [])


def test_an_unchanged_record_met_again_is_not_remembered_twice() -> None:
    decision = decided({"1": stored("a", number=9)}, incoming("1", "a"), incoming("1", "a"))
    assert decision.seen == [9]


def test_a_second_different_record_in_one_run_is_another_record_with_a_warning() -> None:
    decision = decided({}, incoming("1", "a"), incoming("1", "b", ordinal=2))
    assert outline(decision) == [(100, 1, True), (101, 1, True)]
    assert decision.warnings == [(2, "DUPLICATE_CONTROL_NUMBER")]
    assert decision.touched[1].key.startswith("1#")


def test_twins_are_distinguished_in_a_later_run_in_any_order() -> None:
    first_decision = decided({}, incoming("1", "a"), incoming("1", "b"))
    rows = {to.key: to.row for to in first_decision.touched}
    for row in rows.values():
        row.in_this_run = False
    decision = decided(rows, incoming("1", "b"), incoming("1", "a"))
    assert (outline(decision), sorted(decision.seen)) == ([], [100, 101])


def test_a_record_changed_twice_in_one_run_is_not_overwritten_by_its_twin() -> None:
    decision = decided({"1": stored("old")}, incoming("1", "new"), incoming("1", "other"))
    assert outline(decision) == [(1, 2, False), (100, 1, True)]


def put_in(database: Database, batch: Iterable[IncomingRecord], *, run: int = 1) -> Any:
    with database.transaction(CONTEXT) as session:
        target = open_target(session, source="TEST", institution="PKS")
        return upsert_batch(session, target, list(batch), run=run, sequence=run, at=clock.now(), context=CONTEXT)


def test_a_source_makes_its_institution_once_and_keeps_its_owner(database: Database) -> None:
    for institution in ("PKS", "LAIN"):
        with database.transaction(CONTEXT) as session:
            target = open_target(session, source="TEST", institution=institution)
            assert target.shelves.institution == "PKS"
    with database.reading(READER) as session:
        assert list(session.scalars(select(Institution.code))) == ["PKS"]
        assert session.scalar(select(func.count()).select_from(Source)) == 1


def test_a_batch_is_one_act_with_its_items_its_queue_and_its_fact(database: Database) -> None:
    outcome = put_in(database, [incoming("1"), incoming("2", "b")])
    assert (outcome.created, outcome.updated, outcome.unchanged, outcome.new_branches) == (2, 0, 0, ["PST"])
    with database.reading(READER) as session:
        records = {row.number: (str(row.id), row.version) for row in session.scalars(select(Record))}
        assert set(session.scalars(select(Item.barcode))) == {"B1", "B2"}
        assert set(session.scalars(select(IndexQueue.record_number))) == set(records)
        assert session.scalars(select(Branch.confirmed)).all() == [False]
        of_records = outbox.c.type == RecordsChanged.DESCRIPTOR.full_name
        row = session.execute(select(outbox.c.body, outbox.c.version).where(of_records)).one()
    event = orjson.loads(row.body)
    assert (event["source"], row.version) == ("TEST", 1)
    assert sorted(event["record_ids"]) == sorted(record_id for record_id, _ in records.values())
    assert [int(version) for version in event["versions"]] == [1, 1]


def test_a_batch_without_changes_publishes_nothing(database: Database) -> None:
    put_in(database, [incoming("1")])
    with database.reading(READER) as session:
        published = session.scalar(select(func.count()).select_from(outbox))
    outcome = put_in(database, [incoming("1")], run=2)
    assert (outcome.created, outcome.updated, outcome.unchanged) == (0, 0, 1)
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(outbox)) == published


def test_an_act_that_fails_leaves_nothing(database: Database) -> None:
    with suppress(ZeroDivisionError), database.transaction(CONTEXT) as session:
        target = open_target(session, source="TEST", institution="PKS")
        upsert_batch(session, target, [incoming("1")], run=1, sequence=1, at=clock.now(), context=CONTEXT)
        raise ZeroDivisionError
    with database.reading(READER) as session:
        for table in (Record, Item, Source, Institution, Branch, IndexQueue, outbox):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_two_imports_of_one_source_at_once_make_each_record_once(database: Database, tmp_path: Path) -> None:
    records = [book(str(number), f"Judul {number}", items=[("PST", f"B{number}")]) for number in range(1200)]
    Importer(database)([book("awal")])
    results: list[Counts] = []

    def run(name: str) -> None:
        path = tmp_path / name
        path.write_bytes(iso(records))
        results.append(Importer(database)(path))

    threads = [threading.Thread(target=run, args=(name,)) for name in ("satu.mrc", "dua.mrc")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [counts.read for counts in results] == [1200, 1200]
    assert sum(counts.created for counts in results) == sum(counts.unchanged for counts in results) == 1200
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(Record)) == 1201
        assert session.scalar(select(func.count()).select_from(Item)) == 1200


def test_two_first_imports_of_a_source_make_it_once(database: Database) -> None:
    together, source_ids = threading.Barrier(2), []

    def first() -> None:
        together.wait(timeout=10)
        with database.transaction(CONTEXT) as session:
            source_ids.append(open_target(session, source="NEW", institution="NEW"))

    threads = [threading.Thread(target=first) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len({target.source_id for target in source_ids}) == 1
    assert len(source_ids) == 2
