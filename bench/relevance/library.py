"""Prepares the sample library for searches on one engine."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from bench.relevance.figures import DEPTH
from bench.relevance.judging import Judged
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.operations.testing import migrated_database
from chassis.urls import open_url
from services.catalog import sample
from services.catalog.importing.pipeline import Import
from services.catalog.index.indexer import Indexer
from services.catalog.index.port import ENGINES, Index
from services.catalog.institutions.file import read_institutions
from services.catalog.institutions.loading import load_institutions
from services.catalog.marc import iso2709
from services.catalog.search.search import search
from services.catalog.service import SERVICE
from services.catalog.tables import Record

MOST_COPIES_OF_A_RECORD = 3  # each institution that has a book has a record of it
_NUMBER = re.compile(r"contoh(\d+)")


@dataclass(frozen=True, slots=True)
class Prepared:
    """The sample's database and index; `numbers`: record id -> number of the book in the sample."""

    database: Database
    index: Index
    numbers: dict[str, int]

    def find(self, text: str) -> list[int]:
        """Return the distinct books that a search finds, best first, at most ten."""
        result = search(self.database, self.index, context=READER, query=text, limit=DEPTH * MOST_COPIES_OF_A_RECORD)
        return list(dict.fromkeys(self.numbers[hit.id] for hit in result.hits))[:DEPTH]

    def answer(self, searches: Sequence[Judged]) -> list[tuple[Judged, list[int]]]:
        """Return each search with the books that it finds."""
        return [(search, self.find(search.text)) for search in searches]


@contextmanager
def prepared(folder: Path, search_url: str) -> Iterator[Prepared]:
    """Load the sample library into SQLite in `folder` and the engine of `search_url`; takes seconds."""
    with migrated_database(SERVICE, f"sqlite:///{folder}/catalog.db") as database:
        index = open_url(search_url, ENGINES)
        try:
            _load(database)
            keeper = Indexer(database, index)
            while keeper.step():
                pass
            with database.reading(READER) as session:
                rows = session.execute(select(Record.id, Record.control_key)).all()
            numbers = {str(row.id): int(match.group(1)) for row in rows if (match := _NUMBER.search(row.control_key))}
            yield Prepared(database, index, numbers)
        finally:
            index.close()


def _load(database: Database) -> None:
    context = system("relevance")
    with database.transaction(context) as session:
        load_institutions(session, read_institutions(sample.institutions_path()), context=context)
    for source, institution in sample.sources():
        Import(
            database,
            context,
            source=source,
            institution=institution,
            files=[Path("-")],
            processes=0,
            stdin=io.BytesIO(b"".join(iso2709.encode(record) for record in sample.all_records(source))),
            dry_run=False,
            new_source=True,
            on_progress=lambda _: None,
            report=lambda _: None,
        ).run()
