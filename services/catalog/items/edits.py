"""Edits of items by staff, which later imports keep, and their removal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.branches import full_code
from chassis.context import Context
from chassis.cursors import moment, read_cursor, write_cursor
from chassis.database.sql import insert_for
from chassis.errors import Gone, Invalid, NotFound, Outdated, Refused
from chassis.ids import parse_id, parse_or_nil
from services.catalog.items.barcodes import refuse_wrong_barcodes
from services.catalog.items.branches import find_branch
from services.catalog.items.events import copy_json, digest_of, emit_items, with_version
from services.catalog.items.gone_items import remove_items
from services.catalog.items.item_values import LONGEST, check_status, read_barcode, read_text, shelf_sort
from services.catalog.items.label_queue import SHOWN, queue_labels
from services.catalog.items.lending import IN, load_states, lock_records, put_holdings
from services.catalog.items.stored_items import source_barcode_of, staying_status_of
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import Accession, Branch, GoneItem, Institution, Item, ItemOverride, Record

USUALLY_LISTED, MOST_LISTED = 50, 200


@dataclass(frozen=True, slots=True)
class EditedItem:
    """An item for editing, or one that is gone.

    branch            its full code; "" when the branch is gone too
    accession_number  "" for an item that is not in the accession register
    """

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
    updated_at: datetime
    is_gone: bool = False
    room: str = ""
    accession_number: str = ""


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
        Accession.number.label("accession_number"),
    )
    .join(Record, Record.number == Item.record_number)
    .join(Branch, Branch.id == Item.branch_id)
    .join(Institution, Institution.id == Item.institution_id)
    .join(ItemOverride, ItemOverride.item_id == Item.id, isouter=True)
    .join(Accession, Accession.item_id == Item.id, isouter=True)
)


def get_item(session: Session, item_id: str, *, context: Context) -> EditedItem:
    """Return an item of the caller's institution.

    raises  NotFound  ITEM_NOT_FOUND
            the errors of parse_id
    """
    return _edited(_row(session, item_id, context))


def list_items(
    session: Session,
    *,
    cursor: str,
    limit: int,
    context: Context,
    barcode: str = "",
    fast_adds_only: bool = False,
    updated_since: datetime | None = None,
) -> tuple[list[EditedItem], str]:
    """Return items of the caller's institution, oldest first, and the cursor of the next page.

    limit           1 to MOST_LISTED; 0 for USUALLY_LISTED
    barcode         as scanned; "" for any
    fast_adds_only  those that desks added, until an import or a cataloguer completes them
    updated_since   those changed or removed at or after it, in order of change
    raises          Invalid  LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID
                             SEARCH_BY_CHANGE_ONLY: fast_adds_only, with which no item that is gone can be told
    """
    if not 0 <= limit <= MOST_LISTED:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_LISTED)
    if fast_adds_only and updated_since is not None:
        raise Invalid("SEARCH_BY_CHANGE_ONLY")
    most = limit or USUALLY_LISTED
    statement = _ITEMS.where(Item.institution_id == parse_id(context.institution))
    if fast_adds_only:
        statement = statement.where(Item.is_fast_add)
    if barcode:
        statement = statement.where(Item.barcode == barcode.strip())
    if updated_since is None:
        if cursor:
            statement = statement.where(Item.id > read_cursor(cursor, "items", UUID)[0])
        rows = session.execute(statement.order_by(Item.id).limit(most + 1)).all()
        following = write_cursor("items", rows[most - 1].id) if len(rows) > most else ""
        return [_edited(row) for row in rows[:most]], following
    place = read_cursor(cursor, "changed_items", moment, UUID) if cursor else None
    items = [
        _edited(row) for row in session.execute(_in_order(statement, Item, Item.changed_at, updated_since, place, most))
    ]
    gone_items = select(GoneItem).where(GoneItem.institution_id == parse_id(context.institution))
    if barcode:
        gone_items = gone_items.where(GoneItem.barcode == barcode.strip())
    items += _gone(
        session, session.scalars(_in_order(gone_items, GoneItem, GoneItem.gone_at, updated_since, place, most)).all()
    )
    items.sort(key=lambda item: (item.updated_at, item.id))
    following = (
        write_cursor("changed_items", items[most - 1].updated_at, items[most - 1].id) if len(items) > most else ""
    )
    return items[:most], following


def _in_order(statement: Any, table: Any, changed_at: Any, since: datetime, place: list[Any] | None, most: int) -> Any:
    """Return the statement of the rows after a place, in order of change, one more than a page."""
    rows = statement.where(changed_at >= since).order_by(changed_at, table.id).limit(most + 1)
    return rows if place is None else rows.where(tuple_(changed_at, table.id) > tuple(place))


def _gone(session: Session, rows: Sequence[GoneItem]) -> list[EditedItem]:
    copies = [orjson.loads(row.copy) for row in rows]
    of_branches = select(Branch.id, Institution.code, Branch.code).join(Institution)
    codes = {
        str(branch_id): full_code(*code)
        for branch_id, *code in session.execute(
            of_branches.where(Branch.id.in_({UUID(copy["branch_id"]) for copy in copies}))
        )
    }
    return [
        EditedItem(
            id=row.id,
            version=row.version,
            branch=codes.get(copy["branch_id"], ""),
            record_id=UUID(copy["record_id"]),
            is_fast_add=False,
            updated_at=row.gone_at,
            is_gone=True,
            **{name: copy[name] for name in ("barcode", "status", "title", "call_number", "collection")},
        )
        for row, copy in zip(rows, copies, strict=True)
    ]


def change_item(
    session: Session,
    item_id: str,
    version: int,
    *,
    barcode: str | None,
    status: str | None,
    branch: str | None = None,
    collection: str | None = None,
    room: str | None = None,
    call_number: str | None = None,
    record_id: str | None = None,
    context: Context,
) -> EditedItem:
    """Change an item; None does not change the value. It keeps its id, and with it its loan and its history.

    An item that is leaving stays when more than its barcode is changed. `record_id` completes a fast-add.

    version    the version that the caller has read
    branch     full code of a branch of the institution
    record_id  a record of the institution, to which the item moves; that of a fast-add itself confirms it
    raises     NotFound  ITEM_NOT_FOUND, RECORD_UNKNOWN
               Gone      RECORD_DELETED
               Outdated  VERSION_OUTDATED
               Invalid   BARCODE_INVALID, BARCODE_MISREAD, STATUS_UNKNOWN, BRANCH_UNKNOWN, ITEM_TEXT_INVALID, and the
                         errors of parse_id
               Refused   BARCODE_TAKEN, BARCODE_NOT_RESERVED
    emits      ItemsChanged, RecordsChanged
    """
    row = _row(session, item_id, context)
    target = row if record_id is None else find_record(session, record_id, row.institution_id)
    lock_records(session, {row.record_number, target.record_number})
    row = _row(session, item_id, context)
    if row.version != version:
        raise Outdated.at_version(row.version, given=version, changed=["item"], changed_at=row.changed_at)
    if record_id is not None:
        target = find_record(session, record_id, row.institution_id)
    edits = (status, branch, collection, room, call_number, record_id)
    stays = row.is_leaving and any(edit is not None for edit in edits)
    if stays and status is None:
        status = staying_status_of(row)
    values = {
        "barcode": row.barcode if barcode is None else read_barcode(barcode),
        "status": row.status if status is None else check_status(status),
        "branch_id": row.branch_id if branch is None else find_branch(session, branch, row.institution_id),
        "collection": row.collection if collection is None else read_text(collection, "collection"),
        "room": row.room if room is None else read_text(room, "room"),
        "call_number": row.call_number if call_number is None else read_text(call_number, "call_number"),
        "record_number": target.record_number,
        "is_leaving": row.is_leaving and not stays,
        "is_fast_add": row.is_fast_add and record_id is None,
    }
    changed = {name: [row._mapping[name], value] for name, value in values.items() if value != row._mapping[name]}
    if not changed:
        return _edited(row)
    if "barcode" in changed:
        refuse_taken_barcode(session, values["barcode"], row.institution_id)
        refuse_wrong_barcodes(session, [values["barcode"]], row.institution_id)
    if "barcode" in changed or status is not None:
        _override(session, row, values["barcode"], status or row.own_status)
    if not changed.keys() <= {"barcode", "status"}:
        values["is_own"] = True
    if "call_number" in changed:
        values["call_sort"] = shelf_sort(values["call_number"], row.enumeration, row.copy)
    if "record_number" in changed:
        # An import finds an item without a barcode by its position; no field of the other record has this one.
        values["position"] = next_position(session, target.record_number) if values["barcode"] else -1
    copy = copy_json(row.id, {**row._mapping, **values}, record_id=target.record_id, facts=facts_of_packed(target.marc))
    values |= {"version": row.version + 1, "last_published": digest_of(copy)}
    statement = update(Item).where(Item.id == row.id).values(values)
    with refused_when_taken(session, [values["barcode"]], row.institution_id):
        session.execute(statement.execution_options(synchronize_session=False))
    emit_items(session, [with_version(copy, row.version + 1)], context=context)
    if SHOWN & changed.keys():
        queue_labels(session, [row.id], row.institution_id)
    if "record_number" in changed:
        of_item = update(Accession).where(Accession.item_id == row.id).values(record_number=target.record_number)
        session.execute(of_item.execution_options(synchronize_session=False))
    put_holdings(session, {row.record_number, target.record_number}, at=clock.now(), context=context)
    facts = {name: [str(value) for value in pair] for name, pair in changed.items()}
    audit.record(session, context, "catalog.change_item", kind="item", object_id=row.id, facts=facts)
    return _edited(_row(session, item_id, context))


def remove_item(session: Session, item_id: str, version: int, *, reason: str, context: Context) -> None:
    """Remove an item; imports do not bring it back. Its accession number stays in the register, with the reason.

    version  the version that the caller has read
    raises   NotFound  ITEM_NOT_FOUND
             Outdated  VERSION_OUTDATED
             Invalid   ITEM_TEXT_INVALID
             Refused   ITEM_IS_OUT
    emits    ItemsChanged, RecordsChanged
    """
    lock_records(session, [_row(session, item_id, context).record_number])
    row = _row(session, item_id, context)
    if row.version != version:
        raise Outdated.at_version(row.version, given=version, changed=["item"], changed_at=row.changed_at)
    reason, now = read_text(reason, "reason"), clock.now()
    if not reason:
        raise Invalid("ITEM_TEXT_INVALID", field="reason", most=LONGEST["reason"])
    state, due_on = load_states(session, [row.id]).get(row.id, (IN, ""))
    if state != IN:
        raise Refused("ITEM_IS_OUT", state=state, due_on=due_on)
    copy = copy_json(row.id, row._mapping, record_id=row.record_id, facts=facts_of_packed(row.marc))
    copy = with_version(copy, row.version + 1, gone=True)
    gone_item = {"id": row.id, "institution_id": row.institution_id, "barcode": source_barcode_of(row) or row.barcode}
    gone_item |= {"version": row.version + 1, "copy": copy, "is_own": True}
    remove_items(session, [gone_item], removal=reason, at=now)
    emit_items(session, [copy], context=context)
    put_holdings(session, [row.record_number], at=now, context=context)
    facts = {"barcode": row.barcode or "", "number": row.accession_number or "", "reason": reason}
    audit.record(session, context, "catalog.remove_item", kind="item", object_id=row.id, facts=facts)


_RECORD = select(Record.number.label("record_number"), Record.id.label("record_id"), Record.marc, Record.deleted_at)


def find_record(
    session: Session, record_id: str, institution_id: UUID, *, query: Any = _RECORD, with_deleted: bool = False
) -> Any:
    """Return the row of a record of an institution: record_number, record_id, marc and deleted_at, or those of `query`.

    raises  NotFound  RECORD_UNKNOWN
            Gone      RECORD_DELETED
    """
    of_institution = Record.institution_id == institution_id
    row = session.execute(query.where(Record.id == parse_or_nil(record_id), of_institution)).first()
    if row is None:
        raise NotFound("RECORD_UNKNOWN", record=record_id[:64])
    if row.deleted_at is not None and not with_deleted:
        raise Gone("RECORD_DELETED", record=record_id[:64], deleted_at=row.deleted_at.date().isoformat())
    return row


def next_position(session: Session, record_number: int) -> int:
    """Return the position of a new item of a record."""
    last = session.scalar(select(func.max(Item.position)).where(Item.record_number == record_number))
    return 0 if last is None else last + 1


def refuse_taken_barcode(session: Session, barcode: str | None, institution_id: UUID) -> None:
    """Refuse a barcode that an item of the institution has.

    raises  Refused  BARCODE_TAKEN, with the title of its record
    """
    statement = _ITEMS.where(Item.institution_id == institution_id, Item.barcode == barcode)
    row = session.execute(statement).first()
    if row is not None:
        raise Refused("BARCODE_TAKEN", barcode=barcode, title=facts_of_packed(row.marc).title, item=str(row.id))


@contextmanager
def refused_when_taken(session: Session, barcodes: Sequence[str | None], institution_id: UUID) -> Iterator[None]:
    """Refuse a barcode that another transaction gives an item after the check and before the write of this block.

    raises  Refused  BARCODE_TAKEN
    """
    try:
        with session.begin_nested():
            yield
    except IntegrityError:
        for barcode in barcodes:
            refuse_taken_barcode(session, barcode, institution_id)
        raise


def _override(session: Session, row: Any, barcode: str | None, status: str | None) -> None:
    """Store the values for later imports. An item that a desk or a cataloguer added holds its barcode itself."""
    source = source_barcode_of(row)
    values = {
        "source_barcode": source,
        "barcode": None if row.is_fast_add or row.accession_number or barcode == source else barcode,
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
        updated_at=row.changed_at,
        room=row.room,
        accession_number=row.accession_number or "",
    )
