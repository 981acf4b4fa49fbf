"""A catalogue that an older release has filled gets its works, lists and headings."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, func, select, update

from chassis.context import READER, system
from chassis.database.db import Database
from chassis.service import Resources
from chassis.settings import Settings
from services.catalog.checks import works as look
from services.catalog.importing import backfill
from services.catalog.service import SERVICE
from services.catalog.tables import Heading, IndexQueue, Record, Work, WorkKey
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.works.conftest import Works, of
from tests.services.catalog.works.test_assignment import made

CONTEXT = system("test")
BOOKS = [made("1", "satu"), made("2", "satu", "dua"), made("3", "dua"), book("4", "The surau", subjects=["Surau"])]


@pytest.fixture
def works(database: Database, import_: Importer) -> Works:
    """BOOKS as the first release left them."""
    works = Works(database, import_)
    works.put(*BOOKS)
    empty_columns = {"work_number": None, "work_keys": None, "title_sort": "", "author_sort": ""}
    with database.transaction(CONTEXT) as session:
        session.execute(update(Record).values(**empty_columns))
        for table in (WorkKey, Work, Heading, IndexQueue):
            session.execute(delete(table))
    return works


def test_everything_is_made_as_an_import_would(works: Works) -> None:
    assert backfill.complete_records(works.database, CONTEXT, threading.Event()) == 4
    assert works.partition() == of("123", "4")
    with works.database.reading(READER) as session:
        row = session.scalars(select(Record).where(Record.id == works.record_id("4"))).one()
        headings = session.execute(select(Heading.kind, Heading.text).order_by(Heading.kind)).all()
        queued = session.scalar(select(func.count()).select_from(IndexQueue))
    assert (row.title_sort, row.author_sort, row.version) == ("the surau", "navis a a", 2)
    assert [tuple(heading) for heading in headings] == [("author", "Navis, A. A."), ("subject", "Surau")]
    assert queued == 4


def test_batch_by_batch_it_comes_to_the_same_and_goes_on_where_it_was(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "BATCH", 1)
    stop = threading.Event()
    stop.set()
    assert backfill.complete_records(works.database, CONTEXT, stop) == 0
    assert backfill.complete_records(works.database, CONTEXT, threading.Event()) == 4
    assert works.partition() == of("123", "4")
    assert backfill.complete_records(works.database, CONTEXT, threading.Event()) == 0


def test_an_import_before_it_is_done_finds_its_works_too(works: Works) -> None:
    works.put(made("1", "satu", "tiga"), made("5", "tiga"))
    backfill.complete_records(works.database, CONTEXT, threading.Event())
    assert works.partition() == of("1235", "4")


def test_doctor_says_how_many_are_left(works: Works) -> None:
    resources = Resources(settings=Settings(), database=works.database, service=SERVICE)
    (finding,) = look(resources)
    assert (finding.ok, finding.message.en) == (False, "4 records are not grouped into a work yet.")
    backfill.complete_records(works.database, CONTEXT, threading.Event())
    (finding,) = look(resources)
    assert finding.ok
