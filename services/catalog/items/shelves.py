"""Shelves: the records next to a record's item, in call-number order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from chassis.branches import full_code, split_branch
from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Invalid
from chassis.ids import parse_id
from chassis.sentences import LocalText
from services.catalog import queries
from services.catalog.tables import Branch, Institution, Item

MOST_EACH_SIDE = 20
USUAL_EACH_SIDE = 5
PAGE = 60  # items in one query, because a record may have many adjacent copies
MOST_PAGES = 10


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A record on the shelf; `here` marks the requested record."""

    record: queries.Brief
    call_number: str
    here: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """A section of a branch's shelves, left to right; empty when the record has no shelf position."""

    neighbours: list[Neighbour]
    institution: str = ""
    branch: str = ""
    branch_name: LocalText | None = None


def list_neighbours(database: Database, *, context: Context, record_id: str, branch: str = "", limit: int = 0) -> Shelf:
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
        position = shelf_position_of(session, number, split_branch(branch))
        if position is None:
            return Shelf([])
        count = limit or USUAL_EACH_SIDE
        known_numbers = {number}
        left = _records_along_shelf(session, position, known_numbers, count, leftwards=True)
        right = _records_along_shelf(session, position, known_numbers, count, leftwards=False)
    entries = [*reversed(left), (number, position.call_number), *right]
    briefs = queries.briefs(database, [entry for entry, _ in entries])
    return Shelf(
        [Neighbour(briefs[key], call_number, key == number) for key, call_number in entries if key in briefs],
        position.institution,
        full_code(position.institution, position.branch),
        LocalText(position.name_id, position.name_en),
    )


def _records_along_shelf(
    session: Session, position: Any, known_numbers: set[int], count: int, *, leftwards: bool
) -> Sequence[tuple[int, str]]:
    """List records from a shelf position in one direction, nearest first, with the call number of the item."""
    entries: list[tuple[int, str]] = []
    at = position.call_sort, position.record_number
    for _ in range(MOST_PAGES):
        items = items_along_shelf(session, position.branch_id, at, leftwards=leftwards, limit=PAGE)
        for call_sort, record_number, call_number in items:
            at = call_sort, record_number
            if record_number not in known_numbers:
                known_numbers.add(record_number)
                entries.append((record_number, call_number))
                if len(entries) == count:
                    return entries
        if len(items) < PAGE:
            break
    return entries


def shelf_position_of(session: Session, record_number: int, branch: tuple[str, str] | None) -> Any:
    """Return the row of the record's first item with a call number, with its branch; None when it has none.

    branch  codes (institution, branch) of the preferred branch; without an item there, that of the first item
    """
    rows = session.execute(
        select(
            *(Item.branch_id, Item.record_number, Item.call_sort, Item.call_number),
            *(Institution.code.label("institution"), Branch.code.label("branch"), Branch.name_id, Branch.name_en),
        )
        .join(Branch, Branch.id == Item.branch_id)
        .join(Institution, Institution.id == Item.institution_id)
        .where(Item.record_number == record_number, Item.call_sort != "", Item.status != "withdrawn")
        .order_by(Item.position)
    ).all()
    return next((row for row in rows if (row.institution, row.branch) == branch), rows[0] if rows else None)


def items_along_shelf(
    session: Session, branch_id: UUID, at: tuple[str, int], *, leftwards: bool, limit: int
) -> Sequence[tuple[str, int, str]]:
    """List items next to a shelf position, nearest first: (call_sort, record number, call number).

    at  (call_sort, record number) of the position; its own items are excluded
    """
    rows = session.execute(shelf_query(branch_id, at, leftwards=leftwards, limit=limit))
    return [(row.call_sort, row.record_number, row.call_number) for row in rows]


def shelf_query(branch_id: UUID, at: tuple[str, int], *, leftwards: bool, limit: int) -> Select[str, int, str]:
    """Build the query of items_along_shelf, in the order of the table's index items_on_shelf."""
    order = (Item.call_sort, Item.record_number)
    key = tuple_(*order)
    return (
        select(Item.call_sort, Item.record_number, Item.call_number)
        .where(
            Item.branch_id == branch_id,
            key < at if leftwards else key > at,
            Item.call_sort != "",
            Item.status != "withdrawn",
        )
        .order_by(*(column.desc() for column in order) if leftwards else order)
        .limit(limit)
    )
