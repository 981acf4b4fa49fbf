"""A page of a list around a place: what comes before it and what from it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.db import Database
from chassis.errors import Invalid
from services.catalog import queries
from services.catalog.browse import list_queries
from services.catalog.browse.headings import FIELDS
from services.catalog.browse.list_queries import Row
from services.catalog.browse.positions import Position, position_from_cursor, position_of
from services.catalog.index.port import Index

USUAL, MOST = 20, 50
MORE = 10  # read beyond what is wanted, in case headings that nobody uses any more are among them
ROUNDS = 5  # after so many the page is short; the cursor leads on


@dataclass(frozen=True, slots=True)
class Heading:
    """An entry. count: records that have it, 0 for a form that is only referred from; record: of titles and call
    numbers, the one record."""

    text: str
    count: int
    see: list[str] = field(default_factory=list)
    see_also: list[str] = field(default_factory=list)
    record: queries.Brief | None = None


@dataclass(frozen=True, slots=True)
class BrowsePage:
    """previous, next: cursors, "" at the ends. place: index of the first entry at or after the term."""

    headings: list[Heading]
    previous: str
    next: str
    place: int


def browse(
    database: Database,
    index: Index,
    *,
    context: Context,
    kind: str,
    term: str = "",
    before: int = 0,
    after: int = 0,
    cursor: str = "",
) -> BrowsePage:
    """A list around a term, or on from a cursor.

    kind    "author", "subject", "series", "title", "call_number"
    term    as typed, at most 200 characters; "" for the list's head
    before  entries before the place, at most 50
    after   entries from it on, at most 50; 0 for 20
    cursor  Browsed.previous or next, instead of kind and term
    raises  Invalid      BROWSE_KIND_UNKNOWN, TERM_TOO_LONG, LIMIT_OUT_OF_BOUNDS, CURSOR_FOREIGN
            Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    for value in (before, after):
        if not 0 <= value <= MOST:
            raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=value, most=MOST)
    place = position_from_cursor(cursor) if cursor else position_of(kind, term)
    if cursor:
        before, after = (before or USUAL, 0) if place.back else (0, after or USUAL)
    else:
        after = after or USUAL
    context.check_deadline()
    with database.reading(context) as session:
        reader = _Reader(session, index, place.kind)
        earlier = reader.read(replace(place, back=True), before + 1)
        later = reader.read(replace(place, back=False, past=place.past and not place.back), after + 1)
        shown = [*reversed(earlier[:before]), *later[:after]]
        headings = reader.headings(shown)
    if place.kind in ("title", "call_number"):
        headings = _with_records(database, shown, headings)
    first, last = (shown[0], shown[-1]) if shown else (None, None)
    return BrowsePage(
        headings=[heading for heading in headings if heading.record or heading.count or heading.see],
        previous=str(Position(place.kind, first.sort, first.tie, back=True)) if first and len(earlier) > before else "",
        next=str(Position(place.kind, last.sort, last.tie)) if last and len(later) > after else "",
        place=min(before, len(earlier)),
    )


class _Reader:
    """Reads a list and knows of each heading how many records have it."""

    def __init__(self, session: Session, index: Index, kind: str) -> None:
        self._session, self._index, self._kind = session, index, kind
        self._counts: dict[str, int] = {}
        self._see: dict[tuple[str, str], list[str]] = {}

    def read(self, place: Position, wanted: int) -> list[Row]:
        """At most `wanted` entries that lead to something, nearest first."""
        if self._kind not in FIELDS:
            return list_queries.read(self._session, place, wanted)
        found: list[Row] = []
        for _ in range(ROUNDS):
            rows = list_queries.read(self._session, place, wanted + MORE)
            self._learn(rows)
            found += [row for row in rows if self._counts.get(row.text) or (row.sort, row.text) in self._see]
            if len(found) >= wanted or len(rows) < wanted + MORE:
                break
            place = replace(place, sort=rows[-1].sort, tie=rows[-1].tie, past=True)
        return found[:wanted]

    def headings(self, rows: Sequence[Row]) -> list[Heading]:
        if self._kind not in FIELDS:
            return [Heading(row.text, 1) for row in rows]
        related = list_queries.see_also(self._session, self._kind, rows) if rows else {}
        return [
            Heading(
                row.text,
                self._counts.get(row.text, 0),
                self._see.get((row.sort, row.text), []),
                related.get((row.sort, row.text), []),
            )
            for row in rows
        ]

    def _learn(self, rows: Sequence[Row]) -> None:
        if rows:
            self._counts |= self._index.count_values(FIELDS[self._kind], [row.text for row in rows])
            self._see |= list_queries.see(self._session, self._kind, rows)


def _with_records(database: Database, rows: Sequence[Row], headings: Sequence[Heading]) -> list[Heading]:
    briefs = queries.briefs(database, [row.record for row in rows])
    return [
        replace(heading, text=heading.text or _title(briefs, row.record), record=briefs.get(row.record))
        for row, heading in zip(rows, headings, strict=True)
    ]


def _title(briefs: Mapping[int, queries.Brief], number: int) -> str:
    found = briefs.get(number)
    return "" if found is None else str(orjson.loads(found.brief)["title"])
