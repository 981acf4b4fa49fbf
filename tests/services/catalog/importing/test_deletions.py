"""Records that a source deletes, complete loads, and sources that are dropped and brought back."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from google.protobuf.json_format import Parse
from sqlalchemy import func, select

from chassis import clock
from chassis.bus.outbox import outbox
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound, Refused
from rangkiang.catalog.v1.events_pb2 import ItemsChanged
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from services.catalog import queries
from services.catalog.importing import deletion as deletions
from services.catalog.importing.dropped_sources import drop_source, preview_drop, undo_drop
from services.catalog.importing.missing_records import MissingRecords
from services.catalog.items.states import put_states
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import GoneItem, IndexQueue, Item, Record, Source
from tests.builders import book, iso
from tests.services.catalog.conftest import Importer

CONTEXT = system("test")


def deletion(number: str) -> Marc:
    """The record of a source that says: deleted."""
    return Marc("00000dam a2200000 i 4500", [["001", number], ["003", "TEST"], ["245", "00", "a", f"Buku {number}"]])


def live(database: Database) -> set[str]:
    with database.reading(READER) as session:
        keys = session.scalars(select(Record.control_key).where(Record.deleted_at.is_(None)))
        return {key.removeprefix("(TEST)") for key in keys}


def row_of(database: Database, key: str) -> Record:
    with database.reading(READER) as session:
        row = session.scalars(select(Record).where(Record.control_key == f"(TEST){key}")).one()
        session.expunge(row)
        return row


def barcodes(database: Database) -> set[str | None]:
    with database.reading(READER) as session:
        return set(session.scalars(select(Item.barcode)))


def lend(database: Database, barcode: str, state: str = "on_loan", version: int = 1) -> None:
    with database.reading(READER) as session:
        item = session.scalars(select(Item).where(Item.barcode == barcode)).one()
    put_state(database, item.id, item.institution_id, state, version)


def put_state(database: Database, item: UUID, institution: UUID, state: str = "on_loan", version: int = 1) -> None:
    ids = {"item_id": str(item), "institution_id": str(institution)}
    assert (
        put_states(database, [LoanCopy(**ids, state=state, state_version=version, due_on="2026-12-03")], CONTEXT) == 1
    )


def test_a_record_marked_d_deletes_the_record_with_its_number(import_: Importer, database: Database) -> None:
    import_([book("1", items=[("PST", "B1")]), book("2", items=[("PST", "B2")])])
    before = row_of(database, "1")
    counts = import_([deletion("1"), deletion("9")])
    assert (counts.read, counts.deleted, counts.unchanged, counts.created) == (2, 1, 1, 0)
    assert live(database) == {"2"}
    assert barcodes(database) == {"B2"}
    with database.reading(READER) as session:
        queued = session.scalar(select(IndexQueue.version).where(IndexQueue.record_number == before.number))
    after = row_of(database, "1")
    assert (after.id, after.version, after.work_number) == (before.id, before.version + 1, None)
    assert queued == after.version
    assert import_([deletion("1")]).unchanged == 1


def test_a_later_record_brings_a_deleted_one_back_with_its_ids(import_: Importer, database: Database) -> None:
    records = [book("1", items=[("PST", "B1")])]
    import_(records)
    before, item = row_of(database, "1"), item_id(database, "B1")
    import_([deletion("1")])
    counts = import_(records)
    assert (counts.updated, counts.unchanged) == (1, 0)
    after = row_of(database, "1")
    assert (after.id, after.version, after.deleted_at) == (before.id, before.version + 2, None)
    assert after.fingerprint == before.fingerprint
    assert after.work_number is not None
    assert item_id(database, "B1") == item


def item_id(database: Database, barcode: str) -> UUID:
    with database.reading(READER) as session:
        return session.scalars(select(Item.id).where(Item.barcode == barcode)).one()


def test_the_last_word_on_a_number_in_a_file_decides(import_: Importer, database: Database) -> None:
    import_([book("1"), book("2")])
    counts = import_([book("1", "Lain"), deletion("1"), deletion("2"), book("2", "Baru")])
    assert (counts.updated, counts.deleted, counts.unchanged) == (2, 1, 1)
    assert live(database) == {"2"}


def test_a_dry_run_counts_what_the_import_would_delete(import_: Importer, database: Database) -> None:
    import_([book("1", items=[("PST", "B1")]), book("2"), book("3")])
    lend(database, "B1")
    batch = [deletion("1"), deletion("1"), book("4"), deletion("4"), book("2", "Lain")]
    simulated = import_(batch, dry_run=True)
    assert live(database) == {"1", "2", "3"}
    assert simulated == import_(batch)
    assert (simulated.deleted, simulated.kept, simulated.created, simulated.updated) == (2, 1, 1, 1)


def test_an_item_that_is_out_is_withdrawn_when_it_comes_back(import_: Importer, database: Database) -> None:
    import_([book("1", items=[("PST", "B1"), ("PST", "B2")])])
    lend(database, "B1")
    counts = import_([deletion("1")])
    assert (counts.deleted, counts.kept) == (1, 1)
    with database.reading(READER) as session:
        assert session.execute(select(Item.barcode, Item.status)).all() == [("B1", "withdrawn")]
    lend(database, "B1", "in", 2)
    assert barcodes(database) == set()
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(GoneItem)) == 2


def test_an_item_that_its_record_names_no_more_stays_until_it_comes_back(import_: Importer, database: Database) -> None:
    import_([book("1", items=[("PST", "B1"), ("PST", "B2")])])
    item = item_id(database, "B1")
    lend(database, "B1")
    import_([book("1", "Lain", items=[("PST", "B2")])])
    assert statuses(database) == {"B1": "withdrawn", "B2": "in_service"}
    assert item_id(database, "B1") == item
    # Another change of the record changes nothing of it; a return of the other item neither.
    import_([book("1", "Baru", items=[("PST", "B2"), ("PST", "B3")])])
    lend(database, "B2")
    lend(database, "B2", "in", 2)
    assert statuses(database) == {"B1": "withdrawn", "B2": "in_service", "B3": "in_service"}
    lend(database, "B1", "in", 2)
    assert statuses(database) == {"B2": "in_service", "B3": "in_service"}
    assert b"B1" not in row_of(database, "1").holdings


@pytest.mark.parametrize(
    "record", [deletion("1"), book("1", "Lain")], ids=["its record is deleted", "or names it no more"]
)
def test_an_item_that_was_lent_before_an_import_removed_it_stays_until_it_comes_back(
    import_: Importer, database: Database, record: Marc
) -> None:
    import_([book("1", items=[("PST", "B1"), ("PST", "B2")])])
    item = item_id(database, "B1")
    import_([record])
    assert published(database, item) == [(1, "in_service", False), (2, "in_service", True)]
    # The event of the loan arrives after the import; circulation lends no removed item.
    put_state(database, item, row_of(database, "1").institution_id)
    assert statuses(database) == {"B1": "withdrawn"}
    assert item_id(database, "B1") == item
    assert published(database, item)[2:] == [(3, "withdrawn", False)]
    lend(database, "B1", "in", 2)
    assert statuses(database) == {}
    assert published(database, item)[3:] == [(4, "withdrawn", True)]


def published(database: Database, item: UUID) -> list[tuple[int, str, bool]]:
    """Version, status and "gone" of an item in the events, in order."""
    with database.reading(READER) as session:
        of_items = outbox.c.type == ItemsChanged.DESCRIPTOR.full_name
        bodies = session.scalars(select(outbox.c.body).where(of_items).order_by(outbox.c.id)).all()
    copies = [copy for body in bodies for copy in Parse(body, ItemsChanged()).items]
    return [(copy.version, copy.status, copy.gone) for copy in copies if copy.id == str(item)]


def test_an_item_that_leaves_stays_when_its_record_or_another_names_it_again(
    import_: Importer, database: Database
) -> None:
    both = [book("1", items=[("PST", "B1"), ("PST", "B2")])]
    import_(both)
    items = {barcode: item_id(database, barcode) for barcode in ("B1", "B2")}
    for barcode in items:
        lend(database, barcode)
    import_([book("1", "Lain")])
    assert statuses(database) == {"B1": "withdrawn", "B2": "withdrawn"}
    import_([book("1", "Lagi", items=[("PST", "B1")])])
    import_([book("2", items=[("PST", "B2")])], source="OTHER")
    assert statuses(database) == {"B1": "in_service", "B2": "in_service"}
    for barcode, expected_id in items.items():
        assert item_id(database, barcode) == expected_id
        lend(database, barcode, "in", 2)
    assert barcodes(database) == {"B1", "B2"}


def statuses(database: Database) -> dict[str | None, str]:
    with database.reading(READER) as session:
        return {row.barcode: row.status for row in session.execute(select(Item.barcode, Item.status))}


def test_an_item_that_is_out_follows_the_record_that_names_it(import_: Importer, database: Database) -> None:
    import_([book("1", items=[("PST", "B1")])])
    lend(database, "B1")
    item = item_id(database, "B1")
    import_([deletion("1")])
    import_([book("2", items=[("PST", "B1")])], source="OTHER")
    assert item_id(database, "B1") == item
    assert b'"out_until"' in row_of(database, "2").holdings
    lend(database, "B1", "in", 2)
    assert barcodes(database) == {"B1"}


def test_a_complete_load_deletes_what_it_lacks(import_: Importer, database: Database) -> None:
    import_([book(str(number)) for number in range(40)])
    import_([book("x")], source="OTHER")
    missing = MissingRecords()
    counts = import_([book(str(number)) for number in range(38)], missing=missing)
    assert (counts.unchanged, counts.missing, missing.refusal) == (38, 2, None)
    assert live(database) == {*(str(number) for number in range(38)), "x"}


def test_more_than_five_percent_need_a_number(import_: Importer, database: Database) -> None:
    records = [book(str(number)) for number in range(20)]
    import_(records)
    for at_most, reason in ((None, "MISSING_TOO_MANY"), (1, "MISSING_MORE_THAN_GIVEN")):
        missing = MissingRecords(at_most)
        assert import_(records[2:], missing=missing).missing == 0
        assert missing.refusal is not None
        assert missing.refusal.reason == reason
        assert missing.refusal.facts["missing"] == 2
    assert len(live(database)) == 20
    assert import_(records[2:], missing=MissingRecords(2), dry_run=True).missing == 2
    assert len(live(database)) == 20
    assert import_(records[2:], missing=MissingRecords(2)).missing == 2
    assert len(live(database)) == 18


def test_a_rejected_record_may_be_a_missing_one(import_: Importer, database: Database) -> None:
    import_([book(str(number)) for number in range(40)])
    missing = MissingRecords()
    content = iso([book(str(number)) for number in range(1, 40)]) + b"00050rubbish\x1d"
    assert import_(content, missing=missing).put_aside == 1
    assert missing.refusal is not None
    assert missing.refusal.reason == "MISSING_UNSURE"
    assert "0" in live(database)


def test_a_deletion_that_was_killed_is_finished_by_the_same_command(
    import_: Importer, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mrc"
    path.write_bytes(iso([book(str(number)) for number in range(3)]))
    import_([book(str(number)) for number in range(9)])
    monkeypatch.setattr(deletions, "BATCH", 2)
    calls: list[int] = []
    whole = deletions.delete_records

    def dies(*words: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(deletions, "delete_records", dies)
    with pytest.raises(KeyboardInterrupt):
        import_(path, missing=MissingRecords(6))
    assert len(live(database)) == 7
    monkeypatch.setattr(deletions, "delete_records", whole)
    counts = import_(path, missing=MissingRecords(6))
    assert (counts.missing, len(live(database))) == (6, 3)


def test_a_mistyped_source_is_refused_with_the_names_near_it(import_: Importer, database: Database) -> None:
    import_([book("1")], source="koha")
    for dry_run in (True, False):
        with pytest.raises(Invalid) as refusal:
            import_([book("1")], source="Kohaa", new_source=False, dry_run=dry_run)
        assert (refusal.value.reason, refusal.value.facts["near"]) == ("SOURCE_UNKNOWN", ["koha"])
    assert import_([book("1")], source="koha", new_source=False).unchanged == 1
    with database.reading(READER) as session:
        assert session.scalars(select(Source.code)).all() == ["koha"]


def test_a_dropped_source_comes_back_whole(import_: Importer, database: Database) -> None:
    records = [book(str(number), items=[("PST", f"B{number}")]) for number in range(5)]
    import_(records, source="A")
    import_([book("x", items=[("PST", "X")])], source="B")
    import_([deletion("4")], source="A")
    before = {key: row_of(database, key) for key in live(database)}
    lend(database, "B0")
    with database.reading(READER) as session:
        preview = preview_drop(session, "A")
    done = drop_source(database, CONTEXT, "A")
    assert preview == done
    assert (done.records, done.items, done.kept) == (4, 3, 1)
    assert live(database) == {"x"}
    with pytest.raises(Refused):
        drop_source(database, CONTEXT, "A")
    with pytest.raises(Invalid) as refusal:
        import_(records, source="A", new_source=False)
    assert refusal.value.reason == "SOURCE_DROPPED"
    restored = undo_drop(database, CONTEXT, "A")
    assert restored.records == 4
    after = {key: row_of(database, key) for key in live(database)}
    assert {key: (row.id, row.fingerprint, row.holdings) for key, row in before.items() if key != "0"} == {
        key: (row.id, row.fingerprint, row.holdings) for key, row in after.items() if key != "0"
    }
    assert b'"out_until"' in after["0"].holdings
    assert import_(records[:4], source="A", new_source=False).unchanged == 4
    with pytest.raises(Refused):
        undo_drop(database, CONTEXT, "A")


def test_the_items_of_a_batch_are_gone_at_its_own_time(
    import_: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_([book(str(number), items=[("PST", f"B{number}")]) for number in range(3)], source="A")
    monkeypatch.setattr(deletions, "BATCH", 1)
    begin, minute = clock.now(), timedelta(minutes=1)
    with ExitStack() as stack:
        stack.enter_context(clock.frozen(begin))
        drop_source(
            database, CONTEXT, "A", on_progress=lambda _: stack.enter_context(clock.frozen(clock.now() + minute))
        )
    with database.reading(READER) as session:
        assert sorted(session.scalars(select(GoneItem.gone_at))) == [begin, begin + minute, begin + 2 * minute]
        assert set(session.scalars(select(Record.deleted_at))) == {begin}


def test_an_import_ends_the_undo(import_: Importer, database: Database) -> None:
    import_([book("1"), book("2")], source="A")
    drop_source(database, CONTEXT, "A")
    assert import_([book("1")], source="A").updated == 1
    with pytest.raises(Refused) as refusal:
        undo_drop(database, CONTEXT, "A")
    assert refusal.value.reason == "SOURCE_NOT_DROPPED"
    assert live(database) == {"1"}
    with pytest.raises(NotFound):
        drop_source(database, CONTEXT, "NONE")


def test_findings_are_counted_by_reason_with_three_examples(import_: Importer) -> None:
    counts = import_(
        [*(Marc("00000nam a2200000 i 4500", [["001", str(n)], ["500", "  ", "a", "x"]]) for n in range(5))]
    )
    (finding,) = counts.findings.rows()
    assert (finding["reason"], finding["count"], finding["put_aside"]) == ("NO_TITLE", 5, False)
    assert [(example["record"], example["key"]) for example in finding["examples"]] == [(1, "0"), (2, "1"), (3, "2")]


@pytest.mark.parametrize("source", ["A"])
def test_a_deleted_record_is_not_found(import_: Importer, database: Database, source: str) -> None:
    import_([book("1")], source=source)
    record_id = row_of(database, "1").id
    import_([deletion("1")], source=source)
    with database.reading(READER) as session, pytest.raises(NotFound) as refusal:
        queries.record(session, record_id)
    assert refusal.value.reason == "RECORD_DELETED"
