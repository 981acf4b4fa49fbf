"""The table of headings: adds the headings of new records, deletes headings that no record uses any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import delete, or_, select, tuple_
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.database.sql import insert_ignore
from services.catalog.index.port import Index
from services.catalog.record.headings import heading_sort
from services.catalog.tables import Heading, ImportRun, IndexQueue
from services.catalog.works.assignment import lock_works
from services.catalog.works.keys import KINDS

MOST_CACHED_HEADINGS = 300_000  # texts; with more, the cache starts empty again
DELETE_BATCH = 200
IDLE_SECONDS = 60
FIELDS = {"author": "facet_author", "subject": "facet_subject", "series": "facet_series"}


class HeadingWriter:
    """Adds headings to the table; caches the headings of one run, because most headings repeat."""

    def __init__(self) -> None:
        self._known_headings: set[str] = set()

    def add(self, session: Session, records: Iterable[Iterable[str]]) -> None:
        """Insert new headings.

        records  the headings of each record, each with a letter of works.keys.KINDS before its text
        """
        known_headings = self._known_headings
        new_headings: dict[str, None] = {}
        for headings in records:
            for heading in headings:
                if heading not in known_headings:
                    new_headings[heading] = None
        if not new_headings:
            return
        if len(known_headings) > MOST_CACHED_HEADINGS:
            known_headings.clear()
        known_headings.update(new_headings)
        rows = [
            {"kind": KINDS[heading[0]], "sort": sort, "text": heading[1:]}
            for heading in sorted(new_headings)
            if (sort := heading_sort(heading[1:])) and "\x00" not in heading
        ]
        insert_ignore(session, Heading.__table__, rows)


def delete_unused_headings(database: Database, index: Index) -> int:
    """Delete the headings that no record uses, batch by batch. Returns how many.

    Does nothing while an import runs or the index queue has rows, because it would delete the headings of records that
    are not yet indexed. Ends early when an import starts.

    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    deleted, entry, position = 0, tuple_(Heading.kind, Heading.sort, Heading.text), ("", "", "")
    while True:
        with database.reading(READER) as session:
            statement = select(Heading.kind, Heading.sort, Heading.text).where(entry > tuple_(*position))
            rows = session.execute(
                statement.order_by(Heading.kind, Heading.sort, Heading.text).limit(DELETE_BATCH)
            ).all()
        if not rows:
            return deleted
        position = (rows[-1].kind, rows[-1].sort, rows[-1].text)
        headings = [(row.kind, row.sort, row.text) for row in rows]
        if not _unused(index, headings):
            continue
        with database.transaction(system("headings")) as session:
            lock_works(session)
            if not _is_idle(session):
                return deleted
            unused = _unused(index, headings)
            if unused:
                session.execute(delete(Heading).where(entry.in_(unused)))
                deleted += len(unused)


def _unused(index: Index, headings: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    counts = {
        kind: index.count_values(FIELDS[kind], [text for heading_kind, _sort, text in headings if heading_kind == kind])
        for kind in {kind for kind, _sort, _text in headings}
    }
    return [heading for heading in headings if not counts[heading[0]][heading[2]]]


def _is_idle(session: Session) -> bool:
    """Tell whether no import is running or has just ended, and the index queue is empty."""
    since = clock.now() - timedelta(seconds=IDLE_SECONDS)
    active_runs = select(ImportRun.number).where(or_(ImportRun.finished_at.is_(None), ImportRun.finished_at > since))
    queue = select(IndexQueue.record_number)
    return session.scalar(active_runs.limit(1)) is None and session.scalar(queue.limit(1)) is None
