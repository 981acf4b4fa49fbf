"""Copies of items for other services: a page of items, or one item."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.errors import NotFound
from chassis.ids import parse_id
from rangkiang.catalog.v1.events_pb2 import ItemCopy
from services.catalog.items.availability import RecordFacts
from services.catalog.items.copies import copy_json
from services.catalog.record.copies import facts_of_packed
from services.catalog.tables import GoneItem, Item, Record

PAGE = 500

_LIVE = select(*Item.__table__.columns, Record.id.label("record_id"), Record.marc).join(
    Record, Record.number == Item.record_number
)


def copy_page(session: Session, cursor: str) -> tuple[list[ItemCopy], str]:
    """Return at most PAGE items in order of their ids, including gone items, and the cursor of the next page.

    cursor  "" for the first page
    raises  the errors of parse_id
    """
    after = parse_id(cursor) if cursor else UUID(int=0)
    live = session.execute(_LIVE.where(Item.id > after).order_by(Item.id).limit(PAGE)).all()
    gone_items = session.scalars(select(GoneItem).where(GoneItem.id > after).order_by(GoneItem.id).limit(PAGE)).all()
    rows: list[Any] = [*live, *gone_items]
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


def _copy(row: Any, known: dict[int, RecordFacts]) -> ItemCopy:
    """Build the copy of a stored item. known: cache of facts by record number."""
    facts = known.get(row.record_number)
    if facts is None:
        facts = known[row.record_number] = facts_of_packed(row.marc)
    values = orjson.loads(copy_json(row.id, row._mapping, record_id=row.record_id, facts=facts))
    return ItemCopy(**values, version=row.version)


def _gone_copy(row: GoneItem) -> ItemCopy:
    return ItemCopy(**orjson.loads(row.copy))
