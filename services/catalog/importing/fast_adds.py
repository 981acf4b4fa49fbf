"""Items that a desk adds because the catalogue does not have them, and brief records for those without a record."""

from __future__ import annotations

import threading
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.sql import insert_ignore
from chassis.errors import Invalid, Refused
from chassis.ids import new_id, parse_id
from rangkiang.catalog.v1.events_pb2 import ItemCopy
from services.catalog.importing.decode import incoming_of
from services.catalog.importing.deletion import delete_in_batches
from services.catalog.importing.offers import IS_KEPT
from services.catalog.importing.upsert import open_target, upsert_batch
from services.catalog.items.branches import find_branch
from services.catalog.items.edits import find_record, next_position, refuse_taken_barcode, refused_when_taken
from services.catalog.items.events import copy_json, copy_of_item, digest_of, emit_items, with_version
from services.catalog.items.gone_items import take_back
from services.catalog.items.item_maps import USUAL
from services.catalog.items.item_values import read_barcode
from services.catalog.items.lending import lock_records, put_holdings
from services.catalog.marc.record import Record as Marc
from services.catalog.queries import is_sandbox
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import GoneItem, Institution, Item, Record, Source
from services.catalog.texts import without_controls

LONGEST_TITLE, LONGEST_AUTHOR = 500, 200
# Control numbers of brief records begin with PREFIX, and codes of their sources with SOURCE.
PREFIX, SOURCE = "DESK", "desk:"


def fast_add(
    session: Session,
    *,
    barcode: str,
    branch: str,
    record_id: str = "",
    title: str = "",
    author: str = "",
    context: Context,
) -> ItemCopy:
    """Add an item to a record of the caller's institution, or to a new brief record; a later import takes it over.

    branch  full code of a branch of the institution
    title   title of a new record, instead of record_id; `author` in the form `Navis, A. A.`
    raises  Invalid   BARCODE_INVALID, BRANCH_UNKNOWN, FAST_ADD_NEEDS_ONE, FAST_ADD_TEXT, and the errors of parse_id
            NotFound  RECORD_UNKNOWN
            Gone      RECORD_DELETED
            Refused   BARCODE_TAKEN, SANDBOX_WITHOUT_CATALOGUE
    emits   ItemsChanged, RecordsChanged
    """
    institution_id, now = parse_id(context.institution), clock.now()
    if is_sandbox(session, institution_id):
        raise Refused("SANDBOX_WITHOUT_CATALOGUE")
    scanned = read_barcode(barcode)
    if bool(record_id) == bool(title.strip()):
        raise Invalid("FAST_ADD_NEEDS_ONE")
    title, author = _text(title, "title", LONGEST_TITLE), _text(author, "author", LONGEST_AUTHOR)
    branch_id = find_branch(session, branch, institution_id)
    refuse_taken_barcode(session, scanned, institution_id)
    added_id = record_id or str(_add_record(session, title, author, institution_id, now, context))
    record = find_record(session, added_id, institution_id)
    lock_records(session, [record.record_number])
    item_id = _add_item(session, record, scanned, branch_id, institution_id, context)
    put_holdings(session, [record.record_number], at=now, context=context)
    facts = {"barcode": scanned, "branch": branch, "record": str(record.record_id), "has_new_record": not record_id}
    audit.record(session, context, "catalog.fast_add", kind="item", object_id=item_id, facts=facts)
    return copy_of_item(session, item_id=str(item_id), barcode="", institution_id="")


def delete_empty_records(database: Database, context: Context, stop: threading.Event) -> int:
    """Delete brief records whose item an import has moved to another record. Returns their number.

    emits  RecordsChanged
    """
    count = 0
    with database.reading(context) as session:
        empty = ~select(Item.id).where(Item.record_number == Record.number).exists()
        query = (
            select(Source.code, Record.number)
            .join(Source, Source.id == Record.source_id)
            .where(Source.code.startswith(SOURCE), Record.deleted_at.is_(None), ~IS_KEPT, empty)
            .order_by(Source.code, Record.number)
        )
        rows = session.execute(query).all()
    for code, group in groupby(rows, key=lambda row: row.code):
        if stop.is_set():
            break
        numbers = [row.number for row in group]
        act = f"fast-adds:{new_id()}"
        count += delete_in_batches(database, context, numbers, source=code, at=clock.now(), act=act).records
    return count


def _text(text: str, field: str, longest: int) -> str:
    cleaned = " ".join(text.split())
    if len(cleaned) > longest or without_controls(cleaned) != cleaned:
        raise Invalid("FAST_ADD_TEXT", field=field, most=longest)
    return cleaned


def _add_record(
    session: Session, title: str, author: str, institution_id: UUID, at: datetime, context: Context
) -> UUID:
    """Add a brief record to the source of the institution's desks."""
    code = session.scalars(select(Institution.code).where(Institution.id == institution_id)).one()
    source = f"{SOURCE}{code}"
    row = {"id": new_id(), "institution_id": institution_id, "code": source}
    insert_ignore(session, Source, [row], key=("code",))
    target = open_target(session, source=source, institution=code)
    fields: list[list[str]] = [["001", f"{PREFIX}{new_id().hex}"]]
    if author:
        fields.append(["100", "1 ", "a", author])
    fields.append(["245", "10" if author else "00", "a", title])
    incoming = incoming_of(Marc("00000nam a2200000 i 4500", fields), code, USUAL)
    upsert_batch(session, target, [incoming], run=0, sequence=1, at=at, context=context)
    return session.scalars(
        select(Record.id).where(Record.source_id == target.source_id, Record.control_key == incoming.key)
    ).one()


def _add_item(
    session: Session, record: Any, barcode: str, branch_id: UUID, institution_id: UUID, context: Context
) -> UUID:
    """Add the item; a barcode that was in the catalogue before keeps its former id."""
    gone_item = session.scalars(
        select(GoneItem)
        .where(GoneItem.institution_id == institution_id, GoneItem.barcode == barcode)
        .order_by(GoneItem.gone_at.desc())
        .limit(1)
        .with_for_update()
    ).first()
    item_id, version = (new_id(), 1) if gone_item is None else (gone_item.id, gone_item.version + 1)
    columns = {
        "institution_id": institution_id,
        "record_number": record.record_number,
        "branch_id": branch_id,
        "barcode": barcode,
        "status": "in_service",
        "position": next_position(session, record.record_number),
        "is_fast_add": True,
        **dict.fromkeys(("call_number", "collection", "material", "copy"), ""),
        **dict.fromkeys(("call_sort", "room", "enumeration", "chronology", "pieces"), ""),
    }
    copy = copy_json(item_id, columns, record_id=record.record_id, facts=facts_of_packed(record.marc))
    with refused_when_taken(session, [barcode], institution_id):
        session.execute(insert(Item).values(id=item_id, version=version, last_published=digest_of(copy), **columns))
    if gone_item is not None:
        take_back(session, [item_id])
    emit_items(session, [with_version(copy, version)], context=context)
    return item_id
