"""Numbered changes are published, for webhooks: each once, in order, with the epoch of the feed of changes."""

from __future__ import annotations

import threading

import pytest
from google.protobuf.json_format import Parse
from sqlalchemy import delete, select

from chassis.bus.outbox import outbox
from chassis.context import READER
from chassis.database.db import Database
from rangkiang.catalog.v1.events_pb2 import RecordChangesNumbered
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from services.catalog.harvest import numbering
from services.catalog.harvest.numbering import number_old_changes, read_epoch
from services.catalog.items.states import put_states
from services.catalog.tables import Institution, NumberedChange, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.harvest.test_numbering import CONTEXT, change_of, item_of
from tests.services.catalog.importing.test_deletions import deletion


def events(database: Database) -> list[RecordChangesNumbered]:
    """The events since the last call, in order."""
    with database.transaction(CONTEXT) as session:
        of_type = outbox.c.type == RecordChangesNumbered.DESCRIPTOR.full_name
        bodies = session.scalars(select(outbox.c.body).where(of_type).order_by(outbox.c.id)).all()
        session.execute(delete(outbox).where(of_type))
    return [Parse(body, RecordChangesNumbered()) for body in bodies]


@pytest.fixture
def books(database: Database, import_: Importer) -> Database:
    import_([book(str(number), f"Buku {number}", items=[("PST", f"B{number}")]) for number in (1, 2, 3)])
    return database


def test_an_import_publishes_its_changes_with_their_numbers(books: Database, import_: Importer) -> None:
    (event,) = events(books)
    with books.reading(READER) as session:
        institution = session.scalars(select(Institution)).one()
        assert (event.institution_id, event.institution) == (str(institution.id), "PKS")
        assert event.epoch == read_epoch(session)
        ids = session.scalars(select(Record.id).order_by(Record.number)).all()
    assert [(record.id, record.title, record.is_deleted) for record in event.records] == [
        (str(record_id), f"Buku {number}", False) for number, record_id in enumerate(ids, 1)
    ]
    assert [record.change_number for record in event.records] == [
        change_of(books, number).change_number for number in ("1", "2", "3")
    ]
    import_([book(str(number), f"Buku {number}", items=[("PST", f"B{number}")]) for number in (1, 2)])
    assert events(books) == []


def test_a_deletion_says_so_and_has_no_title(books: Database, import_: Importer) -> None:
    events(books)
    import_([deletion("2"), book("3", "Buku lain", items=[("PST", "B3")])])
    records = [record for event in events(books) for record in event.records]
    assert sorted((record.title, record.is_deleted) for record in records) == [("", True), ("Buku lain", False)]
    (deleted,) = [record for record in records if record.is_deleted]
    assert deleted.change_number == change_of(books, "2").change_number


def test_a_loan_publishes_no_change(books: Database) -> None:
    events(books)
    item = item_of(books, "B1")
    loan = LoanCopy(item_id=str(item.id), institution_id=str(item.institution_id), state="on_loan", state_version=1)
    put_states(books, [loan], CONTEXT)
    assert events(books) == []


def test_many_changes_are_events_of_bounded_size(
    database: Database, import_: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbering, "BATCH", 2)
    import_([book(str(number), f"Buku {number}") for number in range(5)])
    published = events(database)
    assert max(len(event.records) for event in published) == 2
    numbers = [record.change_number for event in published for record in event.records]
    assert numbers == sorted(numbers)
    assert len(numbers) == 5


def test_an_upgrade_publishes_no_changes(books: Database) -> None:
    events(books)
    with books.transaction(CONTEXT) as session:
        session.execute(delete(NumberedChange))
    assert number_old_changes(books, CONTEXT, threading.Event()) == 3
    assert events(books) == []
