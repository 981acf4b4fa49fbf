"""Each change of a record has a number; numbers grow in the order of commits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from chassis import clock
from chassis.context import READER, Context, system
from chassis.database.db import Database
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from services.catalog.harvest.numbering import lock_changes, number_at_end, number_old_changes
from services.catalog.importing.dropped_sources import drop_source, undo_drop
from services.catalog.importing.fast_adds import fast_add
from services.catalog.items.edits import change_item
from services.catalog.items.states import put_states
from services.catalog.tables import Institution, Item, NumberedChange, Record
from tests.builders import book
from tests.conditions import eventually
from tests.services.catalog.conftest import Importer
from tests.services.catalog.importing.test_deletions import deletion

CONTEXT = system("test")


def changes(database: Database) -> list[str]:
    """Control keys of the records, in the order of their last changes."""
    with database.reading(READER) as session:
        rows = session.scalars(
            select(Record.control_key)
            .join(NumberedChange, NumberedChange.record_number == Record.number)
            .order_by(NumberedChange.change_number)
        )
        return [key.removeprefix("(TEST)") for key in rows]


def change_of(database: Database, key: str) -> NumberedChange:
    with database.reading(READER) as session:
        row = session.scalars(
            select(NumberedChange)
            .join(Record, Record.number == NumberedChange.record_number)
            .where(Record.control_key == f"(TEST){key}")
        ).one()
        session.expunge(row)
        return row


def staff(database: Database) -> Context:
    with database.reading(READER) as session:
        institution = session.scalars(select(Institution.id).where(Institution.code == "PKS")).one()
    return Context(actor="staff", institution=str(institution))


def item_of(database: Database, barcode: str) -> Item:
    with database.reading(READER) as session:
        item = session.scalars(select(Item).where(Item.barcode == barcode)).one()
        session.expunge(item)
        return item


@pytest.fixture
def books(database: Database, import_: Importer) -> Database:
    """Three books, each with an item at PST."""
    import_([book(str(number), f"Buku {number}", items=[("PST", f"B{number}")]) for number in (1, 2, 3)])
    return database


def test_an_import_numbers_new_and_changed_records_only(books: Database, import_: Importer) -> None:
    assert changes(books) == ["1", "2", "3"]
    import_([book("1", "Buku 1", items=[("PST", "B1")]), book("2", "Buku lain", items=[("PST", "B2")])])
    assert changes(books) == ["1", "3", "2"]


def test_a_deletion_and_a_restoration_are_changes_and_keep_the_sets(books: Database, import_: Importer) -> None:
    before = change_of(books, "1")
    import_([deletion("1")])
    assert changes(books) == ["2", "3", "1"]
    assert change_of(books, "1").sets == before.sets
    import_([book("1", "Buku 1", items=[("TJH", "B1")])])
    assert changes(books) == ["2", "3", "1"]
    assert change_of(books, "1").change_number == before.change_number + 4
    assert change_of(books, "1").sets.split()[0] == "institution:PKS:TJH"


def test_a_dropped_source_and_its_restoration_are_changes(books: Database) -> None:
    first = change_of(books, "3").change_number
    drop_source(books, CONTEXT, "TEST")
    assert change_of(books, "1").change_number == first + 1
    undo_drop(books, CONTEXT, "TEST")
    assert changes(books) == ["1", "2", "3"]
    assert change_of(books, "3").change_number == first + 6


def test_an_edit_of_an_item_and_an_item_added_at_a_desk_are_changes(books: Database) -> None:
    context, item = staff(books), item_of(books, "B1")
    with books.transaction(context) as session:
        change_item(session, str(item.id), item.version, barcode=None, status="missing", context=context)
    assert changes(books) == ["2", "3", "1"]
    with books.reading(READER) as session:
        record_id = session.scalars(select(Record.id).where(Record.control_key == "(TEST)2")).one()
    with books.transaction(context) as session:
        fast_add(session, barcode="B9", branch="PKS/PST", record_id=str(record_id), context=context)
    assert changes(books) == ["3", "1", "2"]


def test_a_loan_is_no_change(books: Database) -> None:
    before, item = change_of(books, "1"), item_of(books, "B1")
    loan = LoanCopy(
        item_id=str(item.id), institution_id=str(item.institution_id), state="on_loan", state_version=1,
        due_on="2026-12-24",
    )  # fmt: skip
    put_states(books, [loan], CONTEXT)
    after = change_of(books, "1")
    assert (after.change_number, after.changed_at) == (before.change_number, before.changed_at)


def test_records_are_in_sets_by_branch_material_and_class(books: Database, import_: Importer) -> None:
    assert change_of(books, "1").sets == " institution:PKS:PST material:book class:800 "
    import_([book("4", "Tafsir", more=[["084", "  ", "a", "2X1.3"]])])
    assert change_of(books, "4").sets == " institution:PKS material:book class:200 class:2X "


def test_times_grow_with_numbers_even_when_the_clock_is_set_back(database: Database, import_: Importer) -> None:
    import_([book("1")])
    with clock.frozen(datetime.now(UTC) - timedelta(hours=1)):
        import_([book("2")])
    assert change_of(database, "1").changed_at <= change_of(database, "2").changed_at


def test_changes_of_an_older_release_get_numbers_from_the_job(books: Database) -> None:
    with books.transaction(CONTEXT) as session:
        session.execute(delete(NumberedChange).where(NumberedChange.record_number == 1))
        session.execute(update(Record).where(Record.control_key == "(TEST)2").values(version=Record.version + 1))
    assert number_old_changes(books, CONTEXT, threading.Event()) == 2
    assert changes(books) == ["3", "1", "2"]
    assert number_old_changes(books, CONTEXT, threading.Event()) == 0


def test_the_job_goes_on_where_it_was_stopped(books: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.catalog.harvest.numbering.BATCH", 1)
    monkeypatch.setattr("services.catalog.harvest.numbering.WINDOW", 2)
    with books.transaction(CONTEXT) as session:
        session.execute(delete(NumberedChange))
    stopped = threading.Event()
    stopped.set()
    assert number_old_changes(books, CONTEXT, stopped) == 0
    assert number_old_changes(books, CONTEXT, threading.Event()) == 3
    assert changes(books) == ["1", "2", "3"]


@contextmanager
def running(target: threading.Thread) -> Iterator[threading.Thread]:
    target.start()
    yield target
    target.join(timeout=30)
    assert not target.is_alive()


def test_a_reader_waits_for_a_change_that_has_its_number_and_is_not_committed(books: Database) -> None:
    """Else it would report a time after that of the change, which its next harvest would not get."""
    read_at: list[datetime] = []

    def read() -> None:
        with books.transaction(CONTEXT) as session:
            read_at.append(lock_changes(session, shared=True))

    with books.transaction(CONTEXT) as session:
        started = threading.Thread(target=read)
        session.execute(update(Record).where(Record.control_key == "(TEST)1").values(version=Record.version + 1))
        changed_at = lock_changes(session)
        started.start()
        started.join(timeout=0.2)
        assert started.is_alive()
        assert not read_at
    started.join(timeout=30)
    assert read_at[0] >= changed_at


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.servers)], indirect=True)
def test_two_writers_at_once_get_numbers_in_the_order_of_their_commits(books: Database) -> None:
    context, first, second = staff(books), item_of(books, "B1"), item_of(books, "B2")
    is_changed, may_commit = threading.Event(), threading.Event()

    def change_slowly() -> None:
        with books.transaction(context) as session:
            change_item(session, str(first.id), first.version, barcode=None, status="missing", context=context)
            is_changed.set()
            assert may_commit.wait(30)

    with running(threading.Thread(target=change_slowly)):
        eventually(is_changed.is_set)
        with books.transaction(context) as session:
            change_item(session, str(second.id), second.version, barcode=None, status="missing", context=context)
        assert changes(books) == ["1", "3", "2"]
        may_commit.set()
    assert changes(books) == ["3", "2", "1"]


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.servers)], indirect=True)
def test_a_long_transaction_delays_no_numbers_and_gets_later_ones_and_a_later_time(
    books: Database, import_: Importer
) -> None:
    is_written, may_end = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with books.transaction(CONTEXT) as session:
            session.execute(update(Record).where(Record.control_key == "(TEST)1").values(version=Record.version + 1))
            number_at_end(session, session.scalars(select(Record.number).where(Record.control_key == "(TEST)1")))
            is_written.set()
            assert may_end.wait(30)

    with running(threading.Thread(target=write_slowly)):
        eventually(is_written.is_set)
        import_([book("2", "Buku lain")])
        with books.transaction(CONTEXT) as session:
            read_at = lock_changes(session, shared=True)
        assert changes(books) == ["1", "3", "2"]
        may_end.set()
    assert changes(books) == ["3", "2", "1"]
    assert change_of(books, "1").changed_at >= read_at > change_of(books, "2").changed_at


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.servers)], indirect=True)
def test_the_job_waits_for_an_edit_of_a_record_without_a_number(books: Database) -> None:
    context, item, counts = staff(books), item_of(books, "B1"), list[int]()
    with books.transaction(CONTEXT) as session:
        session.execute(delete(NumberedChange))
    job = threading.Thread(target=lambda: counts.append(number_old_changes(books, CONTEXT, threading.Event())))
    with books.transaction(context) as session:
        change_item(session, str(item.id), item.version, barcode=None, status="missing", context=context)
        job.start()
        job.join(timeout=0.5)
        assert job.is_alive()
    job.join(timeout=30)
    assert counts == [2]  # the edit has numbered its record
    assert changes(books) == ["1", "2", "3"]
