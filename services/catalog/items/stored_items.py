"""The stored items of records and with claimed barcodes, loaded for items.identities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, null, select
from sqlalchemy.orm import Session

from chassis.database.sql import among, in_parts
from services.catalog.tables import GoneItem, Item, ItemOverride, Record

Stored = Row[*tuple[Any, ...]]

_OVERRIDE = (
    ItemOverride.source_barcode,
    ItemOverride.barcode.label("own_barcode"),
    ItemOverride.status.label("own_status"),
)
_STORED = (
    select(*Item.__table__.columns, *_OVERRIDE, Record.deleted_at)
    .join(Record, Record.number == Item.record_number)
    .join(ItemOverride, ItemOverride.item_id == Item.id, isouter=True)
)
_GONE_COLUMNS = (GoneItem.id, GoneItem.barcode, GoneItem.version, GoneItem.is_own, null().label("record_number"))
# Locked, so that a handler of an event about a gone item waits until this transaction has restored the item.
_GONE = (
    select(*_GONE_COLUMNS, *_OVERRIDE)
    .join(ItemOverride, ItemOverride.item_id == GoneItem.id, isouter=True)
    .order_by(GoneItem.gone_at)
    .with_for_update(of=GoneItem)
)


def source_barcode_of(row: Stored) -> str | None:
    """Return the barcode that a stored item has in its record."""
    barcode: str | None = row.barcode if row.own_barcode is None else row.source_barcode
    return barcode


def staying_status_of(row: Stored) -> str:
    """Return the status of an item that was leaving, and was therefore withdrawn, when it stays: it was lent."""
    status: str = row.own_status or "in_service"
    return status


class StoredItems:
    """The stored items of some records, and the items and gone items of an institution with some barcodes.

    by_barcode   barcode -> item
    by_source    barcode that the item has in its record -> item
    wanting      (record number, barcode that another item has) -> item without a barcode
    by_position  (record number, position) -> item without a barcode
    gone         barcode -> the gone item that had it last, if no item has it in its record
    """

    def __init__(self, session: Session, institution_id: UUID, numbers: Sequence[int], barcodes: Sequence[str]) -> None:
        self.rows: dict[UUID, Stored] = {}
        self.by_barcode: dict[str, Stored] = {}
        self.by_source: dict[str, Stored] = {}
        self.wanting: dict[tuple[int, str], Stored] = {}
        self.by_position: dict[tuple[int, int], Stored] = {}
        self.gone: dict[str, Any] = {}
        statements = [_STORED.where(Item.record_number.in_(part)) for part in in_parts(numbers)]
        if barcodes:
            of_institution = _STORED.where(Item.institution_id == institution_id)
            columns = (Item.barcode, ItemOverride.source_barcode)
            statements += [of_institution.where(among(session, column, barcodes)) for column in columns]
        for statement in statements:
            self._add(session.execute(statement))
        free = [barcode for barcode in barcodes if barcode not in self.by_source]
        if free:
            gone = _GONE.where(GoneItem.institution_id == institution_id, among(session, GoneItem.barcode, free))
            self.gone = {row.barcode: row for row in session.execute(gone)}

    def _add(self, rows: Iterable[Stored]) -> None:
        for row in rows:
            if row.id in self.rows:
                continue
            self.rows[row.id] = row
            source = source_barcode_of(row)
            if row.barcode is not None:
                self.by_barcode[row.barcode] = row
            if source is not None:
                self.by_source[source] = row
            elif not row.is_fast_add:
                self.by_position[row.record_number, row.position] = row
                if row.contested_barcode is not None:
                    self.wanting[row.record_number, row.contested_barcode] = row
