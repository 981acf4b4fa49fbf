"""Edits of items by staff: their barcode and status, which later imports keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.branches import full_code
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.database.sql import insert_for
from chassis.errors import Invalid, NotFound, Outdated, Refused
from chassis.ids import parse_id, parse_or_nil
from services.catalog.items.events import copy_json, digest_of, emit_items, with_version
from services.catalog.items.lending import lock_records, put_holdings
from services.catalog.items.stored_items import source_barcode_of
from services.catalog.record.holdings import STATUSES
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import Branch, Institution, Item, ItemOverride, Record
from services.catalog.texts import without_controls

LONGEST_BARCODE = 64
USUALLY_LISTED, MOST_LISTED = 50, 200


@dataclass(frozen=True, slots=True)
class EditedItem:
    """An item for editing. branch: its full code."""

    id: UUID
    version: int
    barcode: str
    status: str
    record_id: UUID
    title: str
    call_number: str
    branch: str
    collection: str
    is_fast_add: bool


_ITEMS = (
    select(
        *Item.__table__.columns,
        Record.id.label("record_id"),
        Record.marc,
        Record.updated_at,
        Institution.code.label("institution"),
        Branch.code.label("branch"),
        ItemOverride.source_barcode,
        ItemOverride.barcode.label("own_barcode"),
        ItemOverride.status.label("own_status"),
    )
    .join(Record, Record.number == Item.record_number)
    .join(Branch, Branch.id == Item.branch_id)
    .join(Institution, Institution.id == Item.institution_id)
    .join(ItemOverride, ItemOverride.item_id == Item.id, isouter=True)
)


def get_item(session: Session, item_id: str, *, context: Context) -> EditedItem:
    """Return an item of the caller's institution.

    raises  NotFound  ITEM_NOT_FOUND
            the errors of parse_id
    """
    return _edited(_row(session, item_id, context))


def list_items(
    session: Session, *, cursor: str, limit: int, context: Context, barcode: str = "", fast_adds_only: bool = False
) -> tuple[list[EditedItem], str]:
    """Return items of the caller's institution, oldest first, and the cursor of the next page.

    limit           1 to MOST_LISTED; 0 for USUALLY_LISTED
    barcode         as scanned; "" for any
    fast_adds_only  those that desks added and no import has updated since
    raises          Invalid  LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID
    """
    if not 0 <= limit <= MOST_LISTED:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_LISTED)
    most = limit or USUALLY_LISTED
    statement = _ITEMS.where(Item.institution_id == parse_id(context.institution))
    if fast_adds_only:
        statement = statement.where(Item.is_fast_add)
    if barcode:
        statement = statement.where(Item.barcode == barcode.strip())
    if cursor:
        statement = statement.where(Item.id > read_cursor(cursor, "items", UUID)[0])
    rows = session.execute(statement.order_by(Item.id).limit(most + 1)).all()
    following = write_cursor("items", rows[most - 1].id) if len(rows) > most else ""
    return [_edited(row) for row in rows[:most]], following


def change_item(
    session: Session, item_id: str, version: int, *, barcode: str | None, status: str | None, context: Context
) -> EditedItem:
    """Change the barcode or the status of an item; None does not change it.

    version  the version that the caller has read
    raises   NotFound  ITEM_NOT_FOUND
             Outdated  VERSION_OUTDATED
             Invalid   BARCODE_INVALID, STATUS_UNKNOWN, and the errors of parse_id
             Refused   BARCODE_TAKEN
    emits    ItemsChanged, RecordsChanged
    """
    lock_records(session, [_row(session, item_id, context).record_number])
    row = _row(session, item_id, context)
    if row.version != version:
        raise Outdated.at_version(row.version, given=version, changed=["item"], changed_at=row.updated_at)
    new_barcode = row.barcode if barcode is None else read_barcode(barcode)
    new_status = row.status if status is None else status
    if new_status not in STATUSES:
        raise Invalid("STATUS_UNKNOWN", given=new_status[:40], known=[*STATUSES])
    if (new_barcode, new_status) == (row.barcode, row.status):
        return _edited(row)
    if new_barcode != row.barcode:
        refuse_taken_barcode(session, new_barcode, row.institution_id)
    now = clock.now()
    _override(session, row, new_barcode, new_status if status is not None else row.own_status)
    values = {"barcode": new_barcode, "status": new_status}
    copy = copy_json(row.id, {**row._mapping, **values}, record_id=row.record_id, facts=facts_of_packed(row.marc))
    values |= {"version": row.version + 1, "last_published": digest_of(copy)}
    changed = update(Item).where(Item.id == row.id).values(values)
    session.execute(changed.execution_options(synchronize_session=False))
    emit_items(session, [with_version(copy, row.version + 1)], context=context)
    put_holdings(session, [row.record_number], at=now, context=context)
    facts = {"barcode": [row.barcode, new_barcode], "status": [row.status, new_status]}
    audit.record(session, context, "catalog.change_item", kind="item", object_id=row.id, facts=facts)
    return _edited(_row(session, item_id, context))


def read_barcode(text: str) -> str:
    """Return a barcode as scanned, without blanks around it.

    raises  Invalid  BARCODE_INVALID
    """
    barcode = text.strip()
    if not 0 < len(barcode) <= LONGEST_BARCODE or without_controls(barcode) != barcode:
        raise Invalid("BARCODE_INVALID", most=LONGEST_BARCODE)
    return barcode


def refuse_taken_barcode(session: Session, barcode: str | None, institution_id: UUID) -> None:
    """Refuse a barcode that an item of the institution has.

    raises  Refused  BARCODE_TAKEN, with the title of its record
    """
    statement = _ITEMS.where(Item.institution_id == institution_id, Item.barcode == barcode)
    row = session.execute(statement).first()
    if row is not None:
        raise Refused("BARCODE_TAKEN", barcode=barcode, title=facts_of_packed(row.marc).title, item=str(row.id))


def _override(session: Session, row: Any, barcode: str | None, status: str | None) -> None:
    """Store the values for later imports. An item that a desk added holds its barcode itself."""
    source = source_barcode_of(row)
    values = {
        "source_barcode": source,
        "barcode": None if row.is_fast_add or barcode == source else barcode,
        "status": status,
        "changed_at": clock.now(),
    }
    statement = insert_for(session, ItemOverride).values(item_id=row.id, institution_id=row.institution_id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["item_id"], set_=values))


def _row(session: Session, item_id: str, context: Context) -> Any:
    statement = _ITEMS.where(Item.id == parse_or_nil(item_id), Item.institution_id == parse_id(context.institution))
    row = session.execute(statement).first()
    if row is None:
        raise NotFound("ITEM_NOT_FOUND", item=item_id[:64])
    return row


def _edited(row: Any) -> EditedItem:
    return EditedItem(
        id=row.id,
        version=row.version,
        barcode=row.barcode or "",
        status=row.status,
        record_id=row.record_id,
        title=facts_of_packed(row.marc).title,
        call_number=row.call_number,
        branch=full_code(row.institution, row.branch),
        collection=row.collection,
        is_fast_add=row.is_fast_add,
    )
