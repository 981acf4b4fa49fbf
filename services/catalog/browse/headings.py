"""Headings are noted as records that use them come, each once; those that nobody uses any more are weeded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import delete, or_, select, tuple_
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import READER, system
from chassis.db import Database
from chassis.sql import insert_ignore
from services.catalog.index.port import Index
from services.catalog.record.headings import heading_sort
from services.catalog.tables import Heading, ImportRun, IndexQueue
from services.catalog.works.assignment import lock_works
from services.catalog.works.record_keys import KINDS

REMEMBERED = 300_000  # texts; a run that meets more forgets them all and begins again
WEED_BATCH = 200
QUIET_SECONDS = 60
FIELDS = {"author": "facet_author", "subject": "facet_subject", "series": "facet_series"}


class HeadingWriter:
    """What one run has noted already: most headings come again and again."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def note(self, session: Session, found: Iterable[Iterable[str]]) -> None:
        """Put in those that are not there yet.

        found  of each record, texts with a letter of clustering.KINDS before each
        """
        seen = self._seen
        fresh: dict[str, None] = {}
        for headings in found:
            for each in headings:
                if each not in seen:
                    fresh[each] = None
        if not fresh:
            return
        if len(seen) > REMEMBERED:
            seen.clear()
        seen.update(fresh)
        rows = [
            {"kind": KINDS[each[0]], "sort": sort, "text": each[1:]}
            for each in sorted(fresh)
            if (sort := heading_sort(each[1:])) and "\x00" not in each
        ]
        insert_ignore(session, Heading, rows)


def delete_unused_headings(database: Database, index: Index) -> int:
    """Take out the headings that no record uses, batch by batch; how many.

    Only while nothing comes and the index has everything, or what is noted but not yet indexed would go; when
    something comes meanwhile it ends early.
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    gone, entry, at = 0, tuple_(Heading.kind, Heading.sort, Heading.text), ("", "", "")
    while True:
        with database.reading(READER) as session:
            statement = select(Heading.kind, Heading.sort, Heading.text).where(entry > tuple_(*at))
            rows = session.execute(statement.order_by(Heading.kind, Heading.sort, Heading.text).limit(WEED_BATCH)).all()
        if not rows:
            return gone
        at = (rows[-1].kind, rows[-1].sort, rows[-1].text)
        headings = [(row.kind, row.sort, row.text) for row in rows]
        if not _unused(index, headings):
            continue
        with database.transaction(system("headings")) as session:
            lock_works(session)
            if not _is_idle(session):
                return gone
            unused = _unused(index, headings)
            if unused:
                session.execute(delete(Heading).where(entry.in_(unused)))
                gone += len(unused)


def _unused(index: Index, headings: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    counts = {
        kind: index.count_values(FIELDS[kind], [text for of, _sort, text in headings if of == kind])
        for kind in {kind for kind, _sort, _text in headings}
    }
    return [heading for heading in headings if not counts[heading[0]][heading[2]]]


def _is_idle(session: Session) -> bool:
    """No import goes on, none ended just now, and the index has all there is."""
    since = clock.now() - timedelta(seconds=QUIET_SECONDS)
    coming = select(ImportRun.number).where(or_(ImportRun.finished_at.is_(None), ImportRun.finished_at > since))
    waiting = select(IndexQueue.record_number)
    return session.scalar(coming.limit(1)) is None and session.scalar(waiting.limit(1)) is None
