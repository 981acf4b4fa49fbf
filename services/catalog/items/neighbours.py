"""The records next to a record's item on its shelf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.db import Database
from chassis.errors import Invalid
from chassis.ids import parse_id
from chassis.sentences import LocalText
from services.catalog import queries
from services.catalog.items import shelves
from services.catalog.items.availability import branch_named

MOST_EACH_SIDE = 20
USUAL_EACH_SIDE = 5
PAGE = 60  # items per query: a record may have many adjacent copies
MOST_PAGES = 10


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A record on the shelf; `here` marks the requested record."""

    record: queries.Brief
    call_number: str
    here: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """A section of a branch's shelves, left to right; without neighbours when the record has no shelf position."""

    neighbours: list[Neighbour]
    institution: str = ""
    branch: str = ""
    branch_name: LocalText | None = None


def neighbours(database: Database, *, context: Context, record_id: str, branch: str = "", limit: int = 0) -> Shelf:
    """List the records around a record in call-number order, without duplicates.

    branch  "INSTITUTION/BRANCH"; if the record has no item there, the branch of its first item
    limit   maximum on each side, 1 to 20; 0 for 5
    raises  Invalid      LIMIT_OUT_OF_BOUNDS, and the errors of parse_id
            NotFound     RECORD_NOT_FOUND
            Unavailable  DATABASE_UNAVAILABLE
    """
    if not 0 <= limit <= MOST_EACH_SIDE:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_EACH_SIDE)
    with database.reading(context) as session:
        number = queries.record(session, parse_id(record_id)).number
        position = shelves.shelf_position_of(session, number, branch_named(branch))
        if position is None:
            return Shelf([])
        count = limit or USUAL_EACH_SIDE
        seen = {number}
        left = _walk(session, position, seen, count, leftwards=True)
        right = _walk(session, position, seen, count, leftwards=False)
    entries = [*reversed(left), (number, position.call_number), *right]
    briefs = queries.briefs(database, [entry for entry, _ in entries])
    return Shelf(
        [Neighbour(briefs[key], call_number, key == number) for key, call_number in entries if key in briefs],
        position.institution,
        position.branch,
        position.branch_name,
    )


def _walk(
    session: Session, position: shelves.ShelfPosition, seen: set[int], count: int, *, leftwards: bool
) -> Sequence[tuple[int, str]]:
    """List records from a shelf position in one direction, nearest first, with the call number of the item."""
    entries: list[tuple[int, str]] = []
    at = position.call_sort, position.record_number
    for _ in range(MOST_PAGES):
        items = shelves.along_shelf(session, position.branch_id, at, leftwards=leftwards, limit=PAGE)
        for call_sort, record_number, call_number in items:
            at = call_sort, record_number
            if record_number not in seen:
                seen.add(record_number)
                entries.append((record_number, call_number))
                if len(entries) == count:
                    return entries
        if len(items) < PAGE:
            break
    return entries
