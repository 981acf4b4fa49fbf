"""Reads of shelves and of the classes' captions, as named functions."""

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
    """Where a record's first item stands: its branch, and its place in the order of the shelf."""

    branch_id: UUID
    institution: str
    branch: str
    branch_name: LocalText
    call_sort: str
    record_number: int
    call_number: str


def shelf_position_of(session: Session, record_number: int, branch: tuple[str, str] | None) -> ShelfPosition | None:
    """Where a record stands: at this branch, (institution, branch) by code, when it has an item there, else where its
    first item does. None when none of its items has a call number."""
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
    there = [row for row in rows if (row.institution, row.branch) == branch]
    first = there[0] if there else rows[0]
    name = LocalText(first.name_id, first.name_en)
    return ShelfPosition(
        first.branch_id, first.institution, first.branch, name, first.call_sort, record_number, first.call_number
    )


def along_shelf(
    session: Session, branch_id: UUID, at: tuple[str, int], *, leftwards: bool, limit: int
) -> Sequence[tuple[str, int, str]]:
    """Items next to a place of a branch's shelves, nearest first: (call_sort, record number, call number).

    at  (call_sort, record number); the items there are not among them
    """
    rows = session.execute(walk(branch_id, at, leftwards=leftwards, limit=limit))
    return [(row.call_sort, row.record_number, row.call_number) for row in rows]


def walk(branch_id: UUID, at: tuple[str, int], *, leftwards: bool, limit: int) -> Select[str, int, str]:
    """The question along_shelf asks; the index items_on_shelf answers it in its own order."""
    order = (Item.call_sort, Item.record_number)
    here = tuple_(*order)
    return (
        select(Item.call_sort, Item.record_number, Item.call_number)
        .where(
            Item.branch_id == branch_id,
            here < at if leftwards else here > at,
            Item.call_sort != "",
            Item.status != "withdrawn",
        )
        .order_by(*(each.desc() for each in order) if leftwards else order)
        .limit(limit)
    )


def class_captions(session: Session) -> dict[str, LocalText]:
    """Captions by class as the facet "class" has it; where institutions differ, that of the first by code."""
    rows = session.execute(
        select(ClassCaption.notation, ClassCaption.name_id, ClassCaption.name_en)
        .join(Institution, Institution.id == ClassCaption.institution_id)
        .order_by(Institution.code.desc())
    )
    return {row.notation: LocalText(row.name_id, row.name_en) for row in rows}
