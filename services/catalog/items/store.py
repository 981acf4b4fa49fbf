"""Putting items on the shelves: branches by code, barcodes once an institution, holdings ready to show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from chassis.ids import new_id
from chassis.sentences import LocalText
from chassis.sql import insert_ignore
from services.catalog.items.availability import ItemFacts, holdings
from services.catalog.tables import Branch, Item

BARCODE_IN_USE = "BARCODE_IN_USE"


@dataclass(slots=True)
class BranchIndex:
    """An institution's branches, by code; grows as unknown codes come."""

    institution_id: UUID
    institution: str
    zone: str
    branches: dict[str, tuple[UUID, LocalText]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredItems:
    """What a record says of its items; `fresh` when the record has none in the tables yet."""

    record_number: int
    ordinal: int
    items: Sequence[ItemFacts]
    fresh: bool


def resolve_branches(shelves: BranchIndex, items: Sequence[ItemFacts]) -> list[ItemFacts]:
    """The items as this institution's; without a branch, at the one of its code."""
    return [facts if facts.branch else facts._replace(branch=shelves.institution) for facts in items]


def open_branches(session: Session, shelves: BranchIndex, items: Iterable[ItemFacts]) -> list[str]:
    """Make a branch, unconfirmed, for each code that nobody has described; returns the new codes."""
    codes = sorted({facts.branch for facts in items} - set(shelves.branches))
    if not codes:
        return []
    rows = [
        {
            "id": new_id(), "institution_id": shelves.institution_id, "code": code, "name_id": code, "name_en": code,
            "kind": "", "npp": "", "isil": "", "zone": shelves.zone, "confirmed": False,
        }
        for code in codes
    ]  # fmt: skip
    # Another import, or a file of institutions, may have made the same one meanwhile.
    insert_ignore(session, Branch, rows, key=("institution_id", "code"))
    result = session.execute(
        select(Branch.code, Branch.id, Branch.name_id, Branch.name_en).where(
            Branch.institution_id == shelves.institution_id, Branch.code.in_(codes)
        )
    )
    shelves.branches |= {row.code: (row.id, LocalText(row.name_id, row.name_en)) for row in result}
    return [str(row["code"]) for row in rows if shelves.branches[str(row["code"])][0] == row["id"]]


def holdings_of(shelves: BranchIndex, items: Sequence[ItemFacts]) -> bytes:
    """A record's holdings, ready to show. open_branches was given its items."""
    if not items:
        return b"[]"
    names = {(shelves.institution, code): (name.id, name.en) for code, (_, name) in shelves.branches.items()}
    return orjson.dumps(holdings(items, names, institution=shelves.institution))


def put_items(session: Session, shelves: BranchIndex, stocks: Sequence[StoredItems]) -> list[tuple[int, str]]:
    """Make the items of these records what their sources say.

    An item keeps its id as long as its barcode stays on its record, or, without one, its position.
    The records are in the tables, and open_branches was given their items.
    returns  warnings, (ordinal, BARCODE_IN_USE): a barcode that another item of the institution has is left out
    """
    warnings: list[tuple[int, str]] = []
    kept = _kept_ids(session, [stock.record_number for stock in stocks if not stock.fresh])
    taken = _barcodes_elsewhere(session, shelves, stocks)
    rows: list[dict[str, Any]] = []
    for stock in stocks:
        for position, facts in enumerate(stock.items):
            barcode: str | None = facts.barcode or None
            if barcode is not None and taken.setdefault(barcode, stock.record_number) != stock.record_number:
                warnings.append((stock.ordinal, BARCODE_IN_USE))
                barcode = None
            known = kept.pop((stock.record_number, barcode or str(position)), None)
            rows.append(
                {
                    "id": known or new_id(),
                    "institution_id": shelves.institution_id,
                    "record_number": stock.record_number,
                    "branch_id": shelves.branches[facts.branch][0],
                    "barcode": barcode,
                    "call_number": facts.call_number,
                    "collection": facts.collection,
                    "material": facts.material,
                    "status": facts.status,
                    "copy": facts.copy,
                    "position": position,
                    "call_sort": facts.call_sort,
                    "room": facts.room,
                    "enumeration": facts.enumeration,
                    "chronology": facts.chronology,
                    "pieces": facts.pieces,
                }
            )
    if rows:
        session.execute(insert(Item.__table__), rows)  # type: ignore[arg-type]
    return warnings


def _kept_ids(session: Session, numbers: Sequence[int]) -> dict[tuple[int, str], UUID]:
    """Ids of the items these records have, which are taken off to be put back."""
    if not numbers:
        return {}
    columns = (Item.record_number, Item.barcode, Item.position, Item.id)
    rows = session.execute(select(*columns).where(Item.record_number.in_(numbers))).all()
    session.execute(delete(Item).where(Item.record_number.in_(numbers)))
    return {(row.record_number, row.barcode or str(row.position)): row.id for row in rows}


def _barcodes_elsewhere(session: Session, shelves: BranchIndex, stocks: Sequence[StoredItems]) -> dict[str, int]:
    """Barcode -> record number, for those of these barcodes that stand in the tables already."""
    barcodes = {facts.barcode for stock in stocks for facts in stock.items if facts.barcode}
    if not barcodes:
        return {}
    rows = session.execute(
        select(Item.barcode, Item.record_number).where(
            Item.institution_id == shelves.institution_id, Item.barcode.in_(barcodes)
        )
    )
    return {str(row.barcode): row.record_number for row in rows}
