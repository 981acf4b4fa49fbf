"""A page of a list around a position."""

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
EXTRA_ROWS = 10  # read beyond the limit, because some headings may have no record any more
ROUNDS = 5  # with more, the page is short; its cursor continues


@dataclass(frozen=True, slots=True)
class Heading:
    """An entry. count: records that have it, 0 for an unused form; record: of titles and call numbers."""

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
    """Read a list around a term, or from a cursor.

    kind    "author", "subject", "series", "title", "call_number"
    term    as typed, at most 200 characters; "" for the start of the list
    before  entries before the position, at most 50
    after   entries from the position, at most 50; 0 for 20
    cursor  BrowsePage.previous or next, instead of kind and term
    raises  Invalid      BROWSE_KIND_UNKNOWN, TERM_TOO_LONG, LIMIT_OUT_OF_BOUNDS, CURSOR_FOREIGN
            Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    for value in (before, after):
        if not 0 <= value <= MOST:
            raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=value, most=MOST)
    position = position_from_cursor(cursor) if cursor else position_of(kind, term)
    if cursor:
        before, after = (before or USUAL, 0) if position.back else (0, after or USUAL)
    else:
        after = after or USUAL
    context.check_deadline()
    with database.reading(context) as session:
        reader = _Reader(session, index, position.kind)
        earlier = reader.read(replace(position, back=True), before + 1)
        later = reader.read(replace(position, back=False, past=position.past and not position.back), after + 1)
        rows = [*reversed(earlier[:before]), *later[:after]]
        headings = reader.headings(rows)
    if position.kind in ("title", "call_number"):
        headings = _with_records(database, rows, headings)
    first_row, last_row = (rows[0], rows[-1]) if rows else (None, None)
    return BrowsePage(
        headings=[heading for heading in headings if heading.record or heading.count or heading.see],
        previous=str(Position(position.kind, first_row.sort, first_row.tie, back=True))
        if first_row and len(earlier) > before
        else "",
        next=str(Position(position.kind, last_row.sort, last_row.tie)) if last_row and len(later) > after else "",
        place=min(before, len(earlier)),
    )


class _Reader:
    """Reads a list with the number of records of each heading."""

    def __init__(self, session: Session, index: Index, kind: str) -> None:
        self._session, self._index, self._kind = session, index, kind
        self._counts: dict[str, int] = {}
        self._see: dict[tuple[str, str], list[str]] = {}

    def read(self, position: Position, limit: int) -> list[Row]:
        """Read at most `limit` entries with a record or a reference, nearest first."""
        if self._kind not in FIELDS:
            return list_queries.read(self._session, position, limit)
        entries: list[Row] = []
        for _ in range(ROUNDS):
            rows = list_queries.read(self._session, position, limit + EXTRA_ROWS)
            self._load_counts(rows)
            entries += [row for row in rows if self._counts.get(row.text) or (row.sort, row.text) in self._see]
            if len(entries) >= limit or len(rows) < limit + EXTRA_ROWS:
                break
            position = replace(position, sort=rows[-1].sort, tie=rows[-1].tie, past=True)
        return entries[:limit]

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

    def _load_counts(self, rows: Sequence[Row]) -> None:
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
    brief = briefs.get(number)
    return "" if brief is None else str(orjson.loads(brief.brief)["title"])
