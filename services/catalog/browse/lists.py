"""Lists of headings, titles, call numbers and numbers: a page of entries around a position, and its cursors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple, TypeVarTuple

import orjson
from sqlalchemy import ColumnElement, Select, func, select, tuple_, union_all
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.cursors import cursor_invalid, read_cursor, write_cursor
from chassis.database.db import Database
from chassis.errors import Invalid
from services.catalog import queries
from services.catalog.browse.headings import FIELDS
from services.catalog.browse.numbers import NUMBER_FIELDS, number_sort, numbers_from
from services.catalog.index.port import Index
from services.catalog.record.call_numbers import sort_key
from services.catalog.record.headings import heading_sort
from services.catalog.tables import Authority, AuthorityForm, Branch, Heading, Item, Record

KINDS = ("author", "subject", "series", "title", "call_number", *NUMBER_FIELDS)
# Kinds whose records the index counts -> the field of the index.
COUNTED = {**FIELDS, **NUMBER_FIELDS}
USUAL, MOST = 20, 50
LONGEST_TERM = 200
EXTRA_ROWS = 10  # read beyond the limit, because some headings may no longer have a record
ROUNDS = 5  # of reading; after the last the page is short, and its cursor continues
MOST_FORMS = 20  # of one heading
BRANCHES_AT_ONCE = 50  # SELECTs in one statement

Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a list.

    count         number of records with this heading; 0 for an unused form
    see, see_also  the headings to use instead; related headings
    record        the record of a title or a call number
    other_forms   unused forms that the heading stands for
    """

    text: str
    count: int
    see: list[str] = field(default_factory=list)
    see_also: list[str] = field(default_factory=list)
    record: queries.Brief | None = None
    other_forms: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BrowsePage:
    """One page of a list.

    previous, next  cursors; "" at the start and at the end of the list
    place           index of the first entry at or after the term
    """

    headings: list[ListEntry]
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

    kind    "author", "subject", "series", "title", "call_number", "class", "isbn", "issn"
    term    as typed, at most 200 characters; "" for the start of the list
    before  entries before the position, at most 50
    after   entries from the position, at most 50; 0 for 20
    cursor  BrowsePage.previous or next, instead of kind and term
    raises  Invalid      BROWSE_KIND_UNKNOWN, TERM_TOO_LONG, LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID
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
        reader = _ListReader(session, index, position.kind)
        earlier = reader.read(replace(position, back=True), before + 1)
        later = reader.read(
            replace(position, back=False, after_entry=position.after_entry and not position.back), after + 1
        )
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


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a list.

    sort, tie    sort key of the entry at the position; the heading or number that orders entries with the same key
    back         read backwards from the position
    after_entry  leave out the entry at the position
    """

    kind: str
    sort: str = ""
    tie: str = ""
    back: bool = False
    after_entry: bool = False

    def __str__(self) -> str:
        return write_cursor("browse", self.kind, self.sort, self.tie, self.back)


def position_of(kind: str, term: str) -> Position:
    """Return the position of a typed term in a list.

    raises  Invalid  BROWSE_KIND_UNKNOWN, TERM_TOO_LONG
    """
    if kind not in KINDS:
        raise Invalid("BROWSE_KIND_UNKNOWN", kind=kind[:80], known=[*KINDS])
    if len(term) > LONGEST_TERM:
        raise Invalid("TERM_TOO_LONG", most=LONGEST_TERM)
    if kind in NUMBER_FIELDS:
        return Position(kind, number_sort(kind, term))
    return Position(kind, sort_key(term) if kind == "call_number" else heading_sort(term))


def position_from_cursor(text: str) -> Position:
    """Decode the cursor of a list.

    raises  Invalid  CURSOR_INVALID
    """
    kind, sort, tie, back = read_cursor(text, "browse", str, str, str, bool)
    if kind not in KINDS:
        raise cursor_invalid()
    return Position(kind, sort, tie, back, after_entry=True)


class Row(NamedTuple):
    """A row of a list, at (sort, tie).

    tie     value in the index of a kind that it counts; for titles and call numbers, the number of the record as text
    record  number of its record for titles and call numbers, else 0
    """

    sort: str
    tie: str
    text: str
    record: int = 0


class _ListReader:
    """Reads the entries of a list, and counts the records of each heading."""

    def __init__(self, session: Session, index: Index, kind: str) -> None:
        self._session, self._index, self._kind = session, index, kind
        self._counts: dict[str, int] = {}
        self._see: dict[tuple[str, str], list[str]] = {}

    def read(self, position: Position, limit: int) -> list[Row]:
        """Read at most `limit` entries with a record or a reference, nearest first."""
        if self._kind not in COUNTED:
            return _read_rows(self._session, self._index, position, limit)
        entries: list[Row] = []
        for _ in range(ROUNDS):
            rows = _read_rows(self._session, self._index, position, limit + EXTRA_ROWS)
            self._load_counts(rows)
            entries += [row for row in rows if self._counts.get(row.tie) or (row.sort, row.text) in self._see]
            if len(entries) >= limit or len(rows) < limit + EXTRA_ROWS:
                break
            position = replace(position, sort=rows[-1].sort, tie=rows[-1].tie, after_entry=True)
        return entries[:limit]

    def headings(self, rows: Sequence[Row]) -> list[ListEntry]:
        if self._kind not in FIELDS:
            return [ListEntry(row.text, self._counts.get(row.tie, 1)) for row in rows]
        related = forms_of_headings(self._session, self._kind, "see_also", rows) if rows else {}
        unused = forms_of_headings(self._session, self._kind, "see", rows) if rows else {}
        return [
            ListEntry(
                row.text,
                self._counts.get(row.tie, 0),
                self._see.get((row.sort, row.text), []),
                related.get((row.sort, row.text), []),
                other_forms=unused.get((row.sort, row.text), [])[:MOST_FORMS],
            )
            for row in rows
        ]

    def _load_counts(self, rows: Sequence[Row]) -> None:
        if rows:
            self._counts |= self._index.count_values(COUNTED[self._kind], [row.tie for row in rows])
            if self._kind in FIELDS:
                self._see |= see_references(self._session, self._kind, rows)


def _with_records(database: Database, rows: Sequence[Row], headings: Sequence[ListEntry]) -> list[ListEntry]:
    briefs = queries.briefs(database, [row.record for row in rows])
    return [
        replace(heading, text=heading.text or _title(briefs, row.record), record=briefs.get(row.record))
        for row, heading in zip(rows, headings, strict=True)
    ]


def _title(briefs: Mapping[int, queries.Brief], number: int) -> str:
    brief = briefs.get(number)
    return "" if brief is None else str(orjson.loads(brief.brief)["title"])


def _read_rows(session: Session, index: Index, position: Position, limit: int) -> list[Row]:
    """Read at most `limit` entries from a position, in its direction, the nearest first."""
    if position.kind in NUMBER_FIELDS:
        back, after_entry = position.back, position.after_entry
        numbers = numbers_from(
            session, index, position.kind, sort=position.sort, back=back, after_entry=after_entry, limit=limit
        )
        return [Row(*number) for number in numbers]
    if position.kind == "title":
        return _titles(session, position, limit)
    if position.kind == "call_number":
        return _call_numbers(session, position, limit)
    return _headings(session, position, limit)


def see_references(session: Session, kind: str, rows: Sequence[Row]) -> dict[tuple[str, str], list[str]]:
    """Return (sort, text) of an unused form -> the headings to use instead."""
    statement = (
        select(AuthorityForm.sort, AuthorityForm.text, Authority.heading)
        .join(Authority, Authority.number == AuthorityForm.authority_number)
        .where(*_forms(kind, "see", rows))
        .order_by(Authority.heading)
    )
    references: dict[tuple[str, str], list[str]] = {}
    for sort, text, heading in session.execute(statement):
        if heading != text and heading not in (headings := references.setdefault((sort, text), [])):
            headings.append(heading)
    return references


def forms_of_headings(
    session: Session, kind: str, relation: str, rows: Sequence[Row]
) -> dict[tuple[str, str], list[str]]:
    """Return (sort, text) of a heading -> forms of its authority record: the unused ones or the related headings.

    relation  "see" or "see_also"
    """
    forms = (
        select(AuthorityForm.authority_number, AuthorityForm.sort, AuthorityForm.text)
        .where(*_forms(kind, "heading", rows))
        .subquery()
    )
    statement = (
        select(forms.c.sort, forms.c.text, AuthorityForm.text)
        .join(forms, forms.c.authority_number == AuthorityForm.authority_number)
        .where(AuthorityForm.relation == relation)
        .order_by(AuthorityForm.sort)
    )
    references: dict[tuple[str, str], list[str]] = {}
    for sort, text, heading in session.execute(statement):
        if heading not in (headings := references.setdefault((sort, text), [])):
            headings.append(heading)
    return references


def _forms(kind: str, relation: str, rows: Sequence[Row]) -> tuple[ColumnElement[bool], ...]:
    return (
        AuthorityForm.kind == kind,
        AuthorityForm.relation == relation,
        AuthorityForm.sort.in_({row.sort for row in rows}),
    )


def _titles(session: Session, position: Position, limit: int) -> list[Row]:
    number = _number_of(position)
    statement = select(Record.title_sort, Record.number).where(Record.title_sort != "", Record.deleted_at.is_(None))
    statement = _entries_from(statement, position, (Record.title_sort, Record.number), (position.sort, number), limit)
    return [Row(sort, str(number), "", number) for sort, number in session.execute(statement)]


def _headings(session: Session, position: Position, limit: int) -> list[Row]:
    """Read the headings that records use, and the unused forms of authority records."""
    start = (position.sort, position.tie)
    headings = select(Heading.sort, Heading.text).where(Heading.kind == position.kind)
    headings = _entries_from(headings, position, (Heading.sort, Heading.text), start, limit)
    forms = select(AuthorityForm.sort, AuthorityForm.text).where(
        AuthorityForm.kind == position.kind, AuthorityForm.relation == "see"
    )
    forms = _entries_from(forms.distinct(), position, (AuthorityForm.sort, AuthorityForm.text), start, limit)
    entries = merge(
        [(sort, text) for sort, text in session.execute(headings)],
        [(sort, text) for sort, text in session.execute(forms)],
        reverse=position.back,
    )
    return [Row(sort, text, text) for sort, text in islice(dict.fromkeys(entries), limit)]


def _call_numbers(session: Session, position: Position, limit: int) -> list[Row]:
    """Read branch by branch, in the order of the table's index, and sort the entries of all branches."""
    branches = session.scalars(select(Branch.id).order_by(Branch.id)).all()
    number = _number_of(position)
    values: set[tuple[str, int, str]] = set()
    for start in range(0, len(branches), BRANCHES_AT_ONCE):
        parts = []
        for branch_id in branches[start : start + BRANCHES_AT_ONCE]:
            statement = select(Item.call_sort, Item.record_number, func.min(Item.call_number)).where(
                Item.branch_id == branch_id, Item.call_sort != "", Item.status != "withdrawn"
            )
            statement = statement.group_by(Item.call_sort, Item.record_number)
            statement = _entries_from(
                statement, position, (Item.call_sort, Item.record_number), (position.sort, number), limit
            )
            parts.append(select(statement.subquery()))
        values.update((sort, record, call_number) for sort, record, call_number in session.execute(union_all(*parts)))
    rows: dict[tuple[str, int], Row] = {}
    for sort, record, call_number in sorted(values, reverse=position.back):
        rows.setdefault((sort, record), Row(sort, str(record), call_number, record))
    return list(rows.values())[:limit]


def _number_of(position: Position) -> int:
    """Return the record number of a position among titles or call numbers; 0 when its tie is not a number."""
    return int(position.tie) if position.tie.isascii() and position.tie.isdigit() and len(position.tie) < 19 else 0


def _entries_from(
    statement: Select[*Columns], position: Position, columns: tuple[Any, Any], start: tuple[Any, Any], limit: int
) -> Select[*Columns]:
    """Restrict a statement to the entries from a position in its direction, nearest first."""
    entry, bound = tuple_(*columns), tuple_(*start)
    if position.back:
        return statement.where(entry < bound).order_by(*(column.desc() for column in columns)).limit(limit)
    return statement.where(entry > bound if position.after_entry else entry >= bound).order_by(*columns).limit(limit)
