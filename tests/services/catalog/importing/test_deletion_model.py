"""Imports, deletions, complete loads, drops and their undo in any order, compared with a dictionary."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select

from chassis.context import READER
from services.catalog.importing.dropped_sources import drop_source, undo_drop
from services.catalog.importing.missing_records import MissingRecords
from services.catalog.marc.record import Record as Marc
from services.catalog.service import SERVICE
from services.catalog.tables import IndexQueue, Item, Record, Source, WorkKey
from tests.builders import book
from tests.migrated import copied_database
from tests.services.catalog.conftest import Importer
from tests.services.catalog.importing.test_deletions import CONTEXT, deletion

NUMBERS = st.sets(st.integers(0, 4), max_size=4)
TITLES = ("Kemarau", "Jodoh", "Saraswati")


class Deletions(RuleBasedStateMachine):
    """One source in one catalogue. `books`: number -> title of the live records; `undo`: those before the drop."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.opened = ExitStack()
        self.database = self.opened.enter_context(copied_database(SERVICE, self.folder))
        self.import_ = Importer(self.database)
        self.books: dict[int, str] = {}
        self.undo: dict[int, str] | None = None

    def teardown(self) -> None:
        self.opened.close()
        shutil.rmtree(self.folder)

    def _records(self, books: dict[int, str]) -> list[Marc]:
        return [book(str(n), title, items=[("PST", f"B{n}")]) for n, title in sorted(books.items())]

    @rule(numbers=NUMBERS, title=st.sampled_from(TITLES))
    def load(self, numbers: set[int], title: str) -> None:
        books = dict.fromkeys(numbers, title)
        counts = self.import_(self._records(books))
        assert counts.unchanged == sum(self.books.get(n) == title for n in numbers)
        self.books |= books
        self.undo = None

    @rule(numbers=NUMBERS)
    def delete(self, numbers: set[int]) -> None:
        counts = self.import_([deletion(str(n)) for n in sorted(numbers)])
        assert counts.deleted == len(numbers & self.books.keys())
        self.books = {n: title for n, title in self.books.items() if n not in numbers}
        self.undo = None

    @rule(numbers=NUMBERS, title=st.sampled_from(TITLES))
    def load_all(self, numbers: set[int], title: str) -> None:
        books = dict.fromkeys(numbers, title)
        counts = self.import_(self._records(books), missing=MissingRecords(99))
        assert counts.missing == len(self.books.keys() - numbers)
        self.books, self.undo = books, None

    @rule()
    def drop(self) -> None:
        if not self.books:
            return
        assert drop_source(self.database, CONTEXT, "TEST").records == len(self.books)
        self.books, self.undo = {}, self.books

    @rule()
    def bring_back(self) -> None:
        if self.undo is not None:
            assert undo_drop(self.database, CONTEXT, "TEST").records == len(self.undo)
            self.books, self.undo = self.undo, None

    @invariant()
    def the_tables_have_what_is_live(self) -> None:
        with self.database.reading(READER) as session:
            rows = session.execute(
                select(Record.control_key, Record.version, Record.number, Record.work_number, Record.work_keys).where(
                    Record.deleted_at.is_(None)
                )
            ).all()
            assert {row.control_key for row in rows} == {f"(TEST){n}" for n in self.books}
            assert all(row.work_number is not None for row in rows)
            assert set(session.scalars(select(Item.barcode))) == {f"B{n}" for n in self.books}
            assert (session.scalar(select(func.count()).select_from(WorkKey)) or 0) >= bool(rows)
            queued = dict(session.execute(select(IndexQueue.record_number, IndexQueue.version)).all())
            assert all(queued[row.number] == row.version for row in rows)
            dropped = session.scalar(select(Source.dropped_at).where(Source.code == "TEST"))
            assert (dropped is not None) == (self.undo is not None)


TestDeletions = Deletions.TestCase
TestDeletions.settings = settings(max_examples=8, stateful_step_count=12)
