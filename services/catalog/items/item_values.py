"""Values of items that staff write, checked."""

from __future__ import annotations

from chassis.errors import Invalid
from services.catalog.record.call_numbers import shelf_key, shelf_parts
from services.catalog.record.holdings import STATUSES
from services.catalog.texts import without_controls

LONGEST_BARCODE = 64
# Characters of texts that staff write.
LONGEST = {
    "call_number": 200,
    "collection": 32,
    "room": 64,
    "enumeration": 100,
    "reason": 300,
    "fund": 100,
    "supplier": 200,
    "document": 100,
    "asset_code": 64,
}


def check_status(status: str) -> str:
    """Return a status. Raises Invalid STATUS_UNKNOWN."""
    if status not in STATUSES:
        raise Invalid("STATUS_UNKNOWN", given=status[:40], known=[*STATUSES])
    return status


def read_text(text: str, field: str) -> str:
    """Return a text of an item, without blanks around it. field: one of LONGEST. Raises Invalid ITEM_TEXT_INVALID."""
    cleaned = " ".join(text.split())
    if len(cleaned) > LONGEST[field] or without_controls(cleaned) != cleaned:
        raise Invalid("ITEM_TEXT_INVALID", field=field, most=LONGEST[field])
    return cleaned


def shelf_sort(call_number: str, enumeration: str, copy: str) -> str:
    """Return items.call_sort."""
    start, volume, number = shelf_parts(call_number)
    return shelf_key(start, volume or enumeration, number or copy)


def read_barcode(text: str) -> str:
    """Return a barcode as scanned, without blanks around it.

    raises  Invalid  BARCODE_INVALID
    """
    barcode = text.strip()
    if not 0 < len(barcode) <= LONGEST_BARCODE or without_controls(barcode) != barcode:
        raise Invalid("BARCODE_INVALID", most=LONGEST_BARCODE)
    return barcode
