"""Stores the items of records: branches by code, unique barcodes per institution, and holdings as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
MOST_PARAMETERS = 10_000


@dataclass(slots=True)
class BranchIndex:
    """An institution's branches by code; open_branches adds unknown codes."""

    institution_id: UUID
    institution: str
    zone: str
    branches: dict[str, tuple[UUID, LocalText]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredItems:
    """The items of one record to store; `fresh` when the tables have no items of the record."""

    record_number: int
    ordinal: int
    items: Sequence[ItemFacts]
    fresh: bool


def resolve_branches(branch_index: BranchIndex, items: Sequence[ItemFacts]) -> list[ItemFacts]:
    """Assign items without a branch to the branch with the institution's code."""
    return [facts if facts.branch else facts._replace(branch=branch_index.institution) for facts in items]


def open_branches(session: Session, branch_index: BranchIndex, items: Iterable[ItemFacts]) -> list[str]:
    """Create an unconfirmed branch for each unknown code; returns the new codes."""
    codes = sorted({facts.branch for facts in items} - set(branch_index.branches))
    if not codes:
        return []
    rows = [
        {
            "id": new_id(), "institution_id": branch_index.institution_id, "code": code,
            "name_id": code, "name_en": code, "kind": "", "npp": "", "isil": "",
            "zone": branch_index.zone, "confirmed": False,
        }
        for code in codes
    ]  # fmt: skip
    # Another import, or a file of institutions, may create the same branch at the same time.
    insert_ignore(session, Branch, rows, key=("institution_id", "code"))
    columns = select(Branch.code, Branch.id, Branch.name_id, Branch.name_en)
    for some in _in_parts(codes):
        result = session.execute(
            columns.where(Branch.institution_id == branch_index.institution_id, Branch.code.in_(some))
        )
        branch_index.branches |= {row.code: (row.id, LocalText(row.name_id, row.name_en)) for row in result}
    return [str(row["code"]) for row in rows if branch_index.branches[str(row["code"])][0] == row["id"]]


def holdings_of(branch_index: BranchIndex, items: Sequence[ItemFacts]) -> bytes:
    """Return a record's holdings as JSON. Call open_branches with the items first."""
    if not items:
        return b"[]"
    names = {(branch_index.institution, code): (name.id, name.en) for code, (_, name) in branch_index.branches.items()}
    return orjson.dumps(holdings(items, names, institution=branch_index.institution))


def put_items(
    session: Session, branch_index: BranchIndex, stored_items: Sequence[StoredItems]
) -> list[tuple[int, str]]:
    """Replace the items of these records.

    An item keeps its id while its record has the same barcode, or, without a barcode, the same position.
    Call it after the records are stored and open_branches was called with their items.
    returns  warnings (ordinal, BARCODE_IN_USE): a barcode of another item of the institution is left out
    """
    warnings: list[tuple[int, str]] = []
    ids = _delete_items(session, [stored.record_number for stored in stored_items if not stored.fresh])
    barcode_owners = _barcodes_elsewhere(session, branch_index, stored_items)
    rows: list[dict[str, Any]] = []
    for stored in stored_items:
        for position, facts in enumerate(stored.items):
            barcode: str | None = facts.barcode or None
            if barcode is not None and barcode_owners.setdefault(barcode, stored.record_number) != stored.record_number:
                warnings.append((stored.ordinal, BARCODE_IN_USE))
                barcode = None
            existing_id = ids.pop((stored.record_number, barcode or str(position)), None)
            rows.append(
                {
                    "id": existing_id or new_id(),
                    "institution_id": branch_index.institution_id,
                    "record_number": stored.record_number,
                    "branch_id": branch_index.branches[facts.branch][0],
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


def _delete_items(session: Session, numbers: Sequence[int]) -> dict[tuple[int, str], UUID]:
    """Delete the items of these records and return their ids by (record number, barcode or position)."""
    if not numbers:
        return {}
    columns = (Item.record_number, Item.barcode, Item.position, Item.id)
    rows = session.execute(select(*columns).where(Item.record_number.in_(numbers))).all()
    session.execute(delete(Item).where(Item.record_number.in_(numbers)))
    return {(row.record_number, row.barcode or str(row.position)): row.id for row in rows}


def _barcodes_elsewhere(
    session: Session, branch_index: BranchIndex, stored_items: Sequence[StoredItems]
) -> dict[str, int]:
    """Return barcode -> record number, for barcodes that other records already use."""
    barcodes = {facts.barcode for stored in stored_items for facts in stored.items if facts.barcode}
    if not barcodes:
        return {}
    columns = select(Item.barcode, Item.record_number).where(Item.institution_id == branch_index.institution_id)
    return {
        str(row.barcode): row.record_number
        for some in _in_parts(sorted(barcodes))
        for row in session.execute(columns.where(Item.barcode.in_(some)))
    }


def _in_parts(values: list[str]) -> Iterator[list[str]]:
    """Divide values for one statement each: databases limit its parameters."""
    for start in range(0, len(values), MOST_PARAMETERS):
        yield values[start : start + MOST_PARAMETERS]
