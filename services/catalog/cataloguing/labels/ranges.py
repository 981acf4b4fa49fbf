"""Ranges of barcodes that are printed before their items exist. Adding items with them takes them up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Invalid, NotFound, Refused
from chassis.ids import new_id, parse_id, parse_or_nil
from services.catalog.cataloguing.labels.pdf import PrintedLabel
from services.catalog.cataloguing.labels.prints import MOST_LISTED, MOST_PRINTED, USUALLY_LISTED, library_name
from services.catalog.items.barcodes import BARCODES, own_barcode, take_sequence
from services.catalog.queries import is_sandbox
from services.catalog.tables import BarcodeRange, Item


@dataclass(frozen=True, slots=True)
class Range:
    """A range of barcodes. used: how many of them items have"""

    id: UUID
    count: int
    first: str
    last: str
    used: int
    reserved_at: datetime


def add_range(session: Session, count: int, *, context: Context) -> Range:
    """Reserve the next barcodes of the institution. No other act gives them to an item.

    raises  Invalid  BARCODE_RANGE_OUT_OF_BOUNDS
            Refused  SANDBOX_WITHOUT_CATALOGUE
    """
    institution_id = parse_id(context.institution)
    if is_sandbox(session, institution_id):
        raise Refused("SANDBOX_WITHOUT_CATALOGUE")
    if not 1 <= count <= MOST_PRINTED:
        raise Invalid("BARCODE_RANGE_OUT_OF_BOUNDS", given=count, most=MOST_PRINTED)
    numbers = take_sequence(session, institution_id, BARCODES, count)
    row = BarcodeRange(
        id=new_id(), institution_id=institution_id, first=numbers[0], last=numbers[-1], reserved_at=clock.now()
    )
    session.add(row)
    session.flush()
    added = _range(session, row)
    facts = {"first": added.first, "last": added.last}
    audit.record(session, context, "catalog.reserve_barcodes", kind="barcode_range", object_id=row.id, facts=facts)
    return added


def list_ranges(session: Session, *, cursor: str, limit: int, context: Context) -> tuple[list[Range], str]:
    """Return ranges, the latest first, and the cursor of the next page.

    limit   1 to MOST_LISTED; 0 for USUALLY_LISTED
    raises  Invalid  LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID
    """
    if not 0 <= limit <= MOST_LISTED:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_LISTED)
    most = limit or USUALLY_LISTED
    statement = select(BarcodeRange).where(BarcodeRange.institution_id == parse_id(context.institution))
    if cursor:
        statement = statement.where(BarcodeRange.id < read_cursor(cursor, "barcode_ranges", UUID)[0])
    rows = session.scalars(statement.order_by(BarcodeRange.id.desc()).limit(most + 1)).all()
    following = write_cursor("barcode_ranges", rows[most - 1].id) if len(rows) > most else ""
    return [_range(session, row) for row in rows[:most]], following


def get_range(session: Session, range_id: str, *, context: Context) -> Range:
    """Return a range of the caller's institution.

    raises  NotFound  BARCODE_RANGE_UNKNOWN
    """
    return _range(session, _row(session, range_id, context))


def range_labels(session: Session, range_id: str, *, context: Context) -> list[PrintedLabel]:
    """Return labels with the barcodes of a range that no item has yet.

    raises  NotFound  BARCODE_RANGE_UNKNOWN
            Refused   BARCODES_ALL_USED
    """
    row = _row(session, range_id, context)
    used = set(session.scalars(_in_range(select(Item.barcode), row)))
    library = library_name(session, row.institution_id)
    barcodes = (own_barcode(row.institution_id, number) for number in range(row.first, row.last + 1))
    labels = [PrintedLabel(library=library, barcode=barcode) for barcode in barcodes if barcode not in used]
    if not labels:
        raise Refused("BARCODES_ALL_USED")
    return labels


def _row(session: Session, range_id: str, context: Context) -> BarcodeRange:
    statement = select(BarcodeRange).where(
        BarcodeRange.id == parse_or_nil(range_id), BarcodeRange.institution_id == parse_id(context.institution)
    )
    row = session.scalars(statement).first()
    if row is None:
        raise NotFound("BARCODE_RANGE_UNKNOWN", range=range_id[:64])
    return row


def _range(session: Session, row: BarcodeRange) -> Range:
    first, last = (own_barcode(row.institution_id, number) for number in (row.first, row.last))
    used = session.scalar(_in_range(select(func.count()).select_from(Item), row)) or 0
    return Range(row.id, row.last - row.first + 1, first, last, used, row.reserved_at)


def _in_range(statement: Any, row: BarcodeRange) -> Any:
    """Select items with barcodes of a range: these sort by their number, as the check digit is the last one."""
    first, last = (own_barcode(row.institution_id, number) for number in (row.first, row.last))
    return statement.where(
        Item.institution_id == row.institution_id,
        Item.barcode.between(first, last),
        func.length(Item.barcode) == len(first),
    )
