"""Queries of shelves and of class captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from chassis.sentences import LocalText
from services.catalog.tables import Branch, ClassCaption, Institution, Item


@dataclass(frozen=True, slots=True)
class ShelfPosition:
    """The shelf position of a record's first item: its branch and sort key."""

    branch_id: UUID
    institution: str
    branch: str
    branch_name: LocalText
    call_sort: str
    record_number: int
    call_number: str


def shelf_position_of(session: Session, record_number: int, branch: tuple[str, str] | None) -> ShelfPosition | None:
    """Find the shelf position of a record; None when no item has a call number.

    branch  codes (institution, branch) of the preferred branch; without an item there, the first item decides
    """
    rows = session.execute(
        select(
            Item.branch_id,
            Institution.code.label("institution"),
            Branch.code.label("branch"),
            Branch.name_id,
            Branch.name_en,
            Item.call_sort,
            Item.call_number,
        )
        .join(Branch, Branch.id == Item.branch_id)
        .join(Institution, Institution.id == Item.institution_id)
        .where(Item.record_number == record_number, Item.call_sort != "", Item.status != "withdrawn")
        .order_by(Item.position)
    ).all()
    if not rows:
        return None
    preferred = [row for row in rows if (row.institution, row.branch) == branch]
    first = preferred[0] if preferred else rows[0]
    name = LocalText(first.name_id, first.name_en)
    return ShelfPosition(
        first.branch_id, first.institution, first.branch, name, first.call_sort, record_number, first.call_number
    )


def along_shelf(
    session: Session, branch_id: UUID, at: tuple[str, int], *, leftwards: bool, limit: int
) -> Sequence[tuple[str, int, str]]:
    """List items next to a shelf position, nearest first: (call_sort, record number, call number).

    at  (call_sort, record number) of the position; its own items are excluded
    """
    rows = session.execute(walk(branch_id, at, leftwards=leftwards, limit=limit))
    return [(row.call_sort, row.record_number, row.call_number) for row in rows]


def walk(branch_id: UUID, at: tuple[str, int], *, leftwards: bool, limit: int) -> Select[str, int, str]:
    """Build the query of along_shelf; its order is that of the index items_on_shelf."""
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


def class_captions(session: Session) -> dict[str, LocalText]:
    """Return captions by value of the facet "class"; the first institution by code wins."""
    rows = session.execute(
        select(ClassCaption.notation, ClassCaption.name_id, ClassCaption.name_en)
        .join(Institution, Institution.id == ClassCaption.institution_id)
        .order_by(Institution.code.desc())
    )
    return {row.notation: LocalText(row.name_id, row.name_en) for row in rows}
