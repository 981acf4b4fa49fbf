"""What stands left and right of a record's item on its shelf."""

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
PAGE = 60  # items read at a time: a record may have many copies side by side
MOST_PAGES = 10


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A record on the shelf. here: the one asked about."""

    record: queries.Brief
    call_number: str
    here: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """A stretch of a branch's shelves, left to right; without neighbours when the record has no place on them."""

    neighbours: list[Neighbour]
    institution: str = ""
    branch: str = ""
    branch_name: LocalText | None = None


def neighbours(database: Database, *, context: Context, record_id: str, branch: str = "", limit: int = 0) -> Shelf:
    """What stands beside a record in call-number order, each record once.

    branch  "INSTITUTION/BRANCH"; where the record has no item there, its first item's branch
    limit   at most so many on each side, 1 to 20; 0 for 5
    raises  Invalid      LIMIT_OUT_OF_BOUNDS, and what parse_id raises
            NotFound     RECORD_NOT_FOUND
            Unavailable  DATABASE_UNAVAILABLE
    """
    if not 0 <= limit <= MOST_EACH_SIDE:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_EACH_SIDE)
    with database.reading(context) as session:
        number = queries.record(session, parse_id(record_id)).number
        place = shelves.shelf_position_of(session, number, branch_named(branch))
        if place is None:
            return Shelf([])
        wanted = limit or USUAL_EACH_SIDE
        seen = {number}
        left = _walk(session, place, seen, wanted, leftwards=True)
        right = _walk(session, place, seen, wanted, leftwards=False)
    standing = [*reversed(left), (number, place.call_number), *right]
    briefs = queries.briefs(database, [each for each, _ in standing])
    return Shelf(
        [Neighbour(briefs[each], call_number, each == number) for each, call_number in standing if each in briefs],
        place.institution,
        place.branch,
        place.branch_name,
    )


def _walk(
    session: Session, place: shelves.ShelfPosition, seen: set[int], wanted: int, *, leftwards: bool
) -> Sequence[tuple[int, str]]:
    """Records met from the place on, nearest first, each with its call number there."""
    walk: list[tuple[int, str]] = []
    at = place.call_sort, place.record_number
    for _ in range(MOST_PAGES):
        items = shelves.along_shelf(session, place.branch_id, at, leftwards=leftwards, limit=PAGE)
        for call_sort, record_number, call_number in items:
            at = call_sort, record_number
            if record_number not in seen:
                seen.add(record_number)
                walk.append((record_number, call_number))
                if len(walk) == wanted:
                    return walk
        if len(items) < PAGE:
            break
    return walk
