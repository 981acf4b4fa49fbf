"""Copies of items for other services: their JSON, the event of a change, and pages of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.bus.events import emit_json
from chassis.context import Context
from chassis.errors import NotFound
from chassis.ids import new_id, parse_id
from rangkiang.catalog.v1.events_pb2 import ItemCopy, ItemsChanged
from services.catalog.record.call_numbers import parse
from services.catalog.record.item_facts import RecordFacts, facts_of_packed
from services.catalog.tables import GoneItem, Item, Record

MOST_ITEMS_A_FACT = 200
PAGE = 500

_LIVE = select(*Item.__table__.columns, Record.id.label("record_id"), Record.marc).join(
    Record, Record.number == Item.record_number
)


def copy_json(item_id: UUID, columns: Mapping[str, Any], *, record_id: UUID, facts: RecordFacts) -> bytes:
    """Return an ItemCopy without its version, as UTF-8 JSON: an import writes one an item, and a message is slower."""
    return orjson.dumps(
        {
            "id": item_id,
            "institution_id": columns["institution_id"],
            "barcode": columns["barcode"] or "",
            "record_id": record_id,
            "title": facts.title,
            "call_number": columns["call_number"],
            "enumeration": columns["enumeration"],
            "branch_id": columns["branch_id"],
            "collection": columns["collection"],
            "room": columns["room"],
            "status": columns["status"],
            "class": facts.class_number or _class_in(columns["call_number"]),
            "language": facts.language,
            "audience": facts.audience,
            "year": facts.year,
        }
    )


@lru_cache(maxsize=10_000)
def _class_in(call_number: str) -> str:
    """Return the class of a call number: three digits, or 2X with one more character; "" without one."""
    number = parse(call_number).class_number.upper()[:3] if call_number else ""
    return number.rstrip(".") if number.isdigit() or number.startswith("2X") else ""


def digest_of(copy: bytes) -> int:
    """Return a digest of a copy, for items.last_published."""
    return int.from_bytes(blake2b(copy, digest_size=8).digest(), signed=True)


def with_version(copy: bytes, version: int, *, gone: bool = False) -> bytes:
    """Add the version to the JSON of a copy."""
    return b'{"version":%d,%s%s' % (version, b'"gone":true,' if gone else b"", copy[1:])


def emit_items(session: Session, copies: Sequence[bytes], *, context: Context) -> None:
    """Publish items that are new, changed or gone.

    copies  UTF-8 JSON of ItemCopy, each with its version
    emits   ItemsChanged, of at most MOST_ITEMS_A_FACT items
    """
    for at in range(0, len(copies), MOST_ITEMS_A_FACT):
        body = b'{"items":[%s]}' % b",".join(copies[at : at + MOST_ITEMS_A_FACT])
        emit_json(session, ItemsChanged, body.decode(), aggregate_id=f"items:{new_id()}", version=1, context=context)


def copy_page(session: Session, cursor: str) -> tuple[list[ItemCopy], str]:
    """Return at most PAGE items in order of their ids, including gone items, and the cursor of the next page.

    cursor  "" for the first page
    raises  the errors of parse_id
    """
    after = parse_id(cursor) if cursor else UUID(int=0)
    live = session.execute(_LIVE.where(Item.id > after).order_by(Item.id).limit(PAGE)).all()
    removed_items = session.scalars(select(GoneItem).where(GoneItem.id > after).order_by(GoneItem.id).limit(PAGE)).all()
    rows: list[Any] = [*live, *removed_items]
    page = sorted(rows, key=lambda row: row.id)[:PAGE]
    facts: dict[int, RecordFacts] = {}
    copies = [_gone_copy(row) if isinstance(row, GoneItem) else _copy(row, facts) for row in page]
    return copies, str(page[-1].id) if len(page) == PAGE else ""


def copy_of_item(session: Session, *, item_id: str, barcode: str, institution_id: str) -> ItemCopy:
    """Return the copy of one item: by its id, also of a gone item, or else by its barcode in an institution.

    raises  NotFound  ITEM_NOT_FOUND
            the errors of parse_id
    """
    if item_id:
        row = session.execute(_LIVE.where(Item.id == parse_id(item_id))).first()
        gone_item = None if row is not None else session.get(GoneItem, parse_id(item_id))
        if gone_item is not None:
            return _gone_copy(gone_item)
    else:
        of_institution = Item.institution_id == parse_id(institution_id)
        row = session.execute(_LIVE.where(of_institution, Item.barcode == barcode)).first()
    if row is None:
        raise NotFound("ITEM_NOT_FOUND", item=(item_id or barcode)[:64])
    return _copy(row, {})


def _copy(row: Any, cache: dict[int, RecordFacts]) -> ItemCopy:
    """Build the copy of a stored item. cache: facts by record number."""
    facts = cache.get(row.record_number)
    if facts is None:
        facts = cache[row.record_number] = facts_of_packed(row.marc)
    values = orjson.loads(copy_json(row.id, row._mapping, record_id=row.record_id, facts=facts))
    return ItemCopy(**values, version=row.version)


def _gone_copy(row: GoneItem) -> ItemCopy:
    return ItemCopy(**orjson.loads(row.copy))
