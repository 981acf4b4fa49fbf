"""Helpers of the tests of indexing: records of titles, an indexer that runs until it has no work, queue, requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy import select

from chassis.context import READER
from chassis.database.db import Database
from services.catalog.analysis import tokens
from services.catalog.index.indexer import Indexer
from services.catalog.index.matches import And, Term
from services.catalog.index.port import Index, Request
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import IndexQueue, IndexRebuild

EVERYTHING = Request(And(()), limit=1000)


def books(*titles: str) -> list[Marc]:
    return [
        Marc(fields=[["001", f"b{number}"], ["003", "TEST"], ["245", "10", "a", title]])
        for number, title in enumerate(titles)
    ]


def many(count: int) -> list[Marc]:
    return books(*(f"Jilid {number}" for number in range(count)))


def run_indexer(database: Database, index: Index, indexer: Indexer | None = None) -> Indexer:
    """Run an indexer until it has no work."""
    indexer = indexer or Indexer(database, index)
    for _ in range(200):
        if not indexer.step():
            return indexer
    raise AssertionError("the indexer has always more work")


def numbers(index: Index, word: str = "") -> list[int]:
    match = Term("title", tokens(word)[0]) if word else And(())
    return sorted(index.search(Request(match, limit=1000)).numbers)


def queued_rows(database: Database) -> dict[int, int]:
    with database.reading(READER) as session:
        rows = session.execute(select(IndexQueue.record_number, IndexQueue.version)).all()
    return {row.record_number: row.version for row in rows}


def rebuild_requests(database: Database) -> Sequence[IndexRebuild]:
    with database.reading(READER) as session:
        return session.scalars(select(IndexRebuild).order_by(IndexRebuild.asked_at)).all()


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition is not true in time"
        time.sleep(0.02)
