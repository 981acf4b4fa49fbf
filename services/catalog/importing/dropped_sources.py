"""`sources drop`: deletes all records of a source, and can restore them until its next import."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.sql import in_parts
from chassis.errors import NotFound, Refused
from chassis.ids import new_id, parse_id
from services.catalog.importing.authorities import DROPPED, delete_authorities, restore_authorities, used_authorities
from services.catalog.importing.decode import IncomingRecord, incoming_of
from services.catalog.importing.deletion import BATCH, count_out, delete_in_batches
from services.catalog.importing.runs import end_runs
from services.catalog.importing.sources import item_map_of
from services.catalog.importing.upsert import NO_RUN, lock_source, open_target, upsert_batch
from services.catalog.items.gone_items import take_back
from services.catalog.items.item_maps import ItemMap
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import EditedRecord, GoneItem, Institution, Item, OriginalRecord, Record, Source
from services.catalog.tables.institutions import HERE


@dataclass(frozen=True, slots=True)
class DroppedSource:
    """Counts of a drop, of its preview or of its undo.

    records, authorities  number of records that were deleted or restored
    items                 number of items that were deleted or restored
    kept                  number of items that are out: they are withdrawn when they are returned
    """

    records: int = 0
    authorities: int = 0
    items: int = 0
    kept: int = 0


def preview_drop(session: Session, code: str) -> DroppedSource:
    """Count what drop_source would delete. Raises NotFound SOURCE_NOT_FOUND."""
    source = _source(session, code)
    numbers = _live_numbers(session, source.id)
    items = select(func.count()).select_from(Item).join(Record, Record.number == Item.record_number)
    items = items.where(Record.source_id == source.id, Record.deleted_at.is_(None))
    out = count_out(session, numbers)
    count = session.scalar(items) or 0
    return DroppedSource(len(numbers), len(used_authorities(session, source.id)), count - out, out)


def drop_source(
    database: Database, context: Context, code: str, *, on_progress: Callable[[int], None] = lambda _: None
) -> DroppedSource:
    """Delete all records of a source and end its unfinished imports. The same call continues after a kill.

    on_progress  is called after each batch with the number of deleted records
    raises       NotFound  SOURCE_NOT_FOUND
                 Refused   SOURCE_DROPPED: nothing is left to delete; SOURCE_OWNED_HERE
    emits        RecordsChanged, ItemsChanged
    """
    act = f"source-drop:{new_id()}"
    with database.transaction(context) as session:
        source = _source(session, code, lock=True)
        if source.owner == HERE:
            raise Refused("SOURCE_OWNED_HERE", source=code)
        at = source.dropped_at or clock.now()
        numbers = _live_numbers(session, source.id)
        authorities = used_authorities(session, source.id)
        if source.dropped_at is not None and not numbers and not authorities:
            raise Refused("SOURCE_DROPPED", source=code, dropped_at=clock.utc_text(at))
        session.execute(update(Source).where(Source.id == source.id).values(dropped_at=at))
        end_runs(session, source.id)
        delete_authorities(session, authorities, why=DROPPED)
        facts = {"source": code, "records": len(numbers), "authorities": len(authorities)}
        audit.record(session, context, "catalog.drop_source", kind="source", object_id=source.id, facts=facts)
    total = delete_in_batches(
        database, context, numbers, source=code, at=at, act=act,
        on_batch=lambda _session, deleted: on_progress(deleted.records),
    )  # fmt: skip
    return DroppedSource(total.records, len(authorities), total.items, total.kept)


def undo_drop(
    database: Database, context: Context, code: str, *, on_progress: Callable[[int], None] = lambda _: None
) -> DroppedSource:
    """Restore the records that were deleted with their source. The same call continues after a kill.

    Items come back as imports bring them; those that staff added or edited, and those of edited records, as they were.

    raises  NotFound  SOURCE_NOT_FOUND
            Refused   SOURCE_NOT_DROPPED: it is in use, or an import has used it again
    emits   RecordsChanged, ItemsChanged
    """
    with database.reading(context) as session:
        source = _source(session, code)
        if source.dropped_at is None:
            raise Refused("SOURCE_NOT_DROPPED", source=code)
        item_map = item_map_of(session, code)
        stored = _stored_items(session, source)
    records = items = 0
    while True:
        with database.transaction(context) as session:
            target = open_target(session, source=code, institution=source.institution)
            batch = _dropped_batch(session, source.id, source.dropped_at)
            lock_source(session, target.source_id)
            items += restore_items(session, [item for row in batch for item in stored.get(row.number, ())])
            for keeps_items in (False, True):
                part = [row for row in batch if row.is_edited == keeps_items]
                incoming = [_incoming(row, source.institution, item_map) for row in part]
                items += sum(len(record.items) for record in incoming)
                if incoming:
                    upsert_batch(
                        session, target, incoming, run=NO_RUN, sequence=records + 1, at=clock.now(), context=context,
                        restores=True, keeps_items=keeps_items,
                    )  # fmt: skip
                records += len(part)
        on_progress(records)
        if len(batch) < BATCH:
            break
    with database.transaction(context) as session:
        authorities = restore_authorities(session, source.id)
        session.execute(update(Source).where(Source.id == source.id).values(dropped_at=None))
        facts = {"source": code, "records": records, "authorities": authorities}
        audit.record(session, context, "catalog.restore_source", kind="source", object_id=source.id, facts=facts)
    return DroppedSource(records, authorities, items)


def _source(session: Session, code: str, *, lock: bool = False) -> Any:
    columns = (Source.id, Source.institution_id, Source.owner, Source.dropped_at)
    statement = select(*columns, Institution.code.label("institution")).join(Institution).where(Source.code == code)
    row = session.execute(statement.with_for_update(of=Source) if lock else statement).first()
    if row is None:
        raise NotFound("SOURCE_NOT_FOUND", source=code)
    return row


def _live_numbers(session: Session, source_id: Any) -> list[int]:
    statement = select(Record.number).where(Record.source_id == source_id, Record.deleted_at.is_(None))
    return list(session.scalars(statement.order_by(Record.number)))


def _dropped_batch(session: Session, source_id: Any, dropped_at: datetime) -> Any:
    columns = select(
        *(Record.number, Record.control_key, Record.marc, OriginalRecord.format, OriginalRecord.raw),
        EditedRecord.record_number.is_not(None).label("is_edited"),
    )
    columns = columns.outerjoin(OriginalRecord, OriginalRecord.record_number == Record.number)
    columns = columns.outerjoin(EditedRecord, EditedRecord.record_number == Record.number)
    of_drop = (Record.source_id == source_id, Record.deleted_at == dropped_at)
    return session.execute(columns.where(*of_drop).order_by(Record.number).limit(BATCH)).all()


def _incoming(row: Any, institution: str, item_map: ItemMap) -> IncomingRecord:
    record = incoming_of(Marc.unpack(row.marc), institution, item_map)
    record.key, record.deletes = row.control_key, False
    record.original = None if row.format is None else (row.format, row.raw)
    if row.is_edited:
        record.items = []
    return record


def _stored_items(session: Session, source: Any) -> dict[int, list[UUID]]:
    """Return record number -> ids of the gone items of a drop that no import brings back as they were."""
    dropped = select(Record.number, EditedRecord.record_number.is_not(None).label("is_edited"))
    dropped = dropped.outerjoin(EditedRecord, EditedRecord.record_number == Record.number)
    dropped = dropped.where(Record.source_id == source.id, Record.deleted_at == source.dropped_at)
    is_edited = {row.number: row.is_edited for row in session.execute(dropped)}
    of_drop = (GoneItem.institution_id == source.institution_id, GoneItem.gone_at >= source.dropped_at)
    gone_items = select(GoneItem.id, GoneItem.item).where(*of_drop, GoneItem.item.is_not(None))
    ids: dict[int, list[UUID]] = defaultdict(list)
    for row in session.execute(gone_items.execution_options(yield_per=BATCH)):
        item = orjson.loads(row.item)
        number = item["record_number"]
        if number in is_edited and (is_edited[number] or item["is_own"] or item["is_fast_add"]):
            ids[number].append(row.id)
    return ids


def restore_items(session: Session, ids: Sequence[UUID]) -> int:
    """Bring gone items back as they were, without a barcode that another item has by now. Returns their number."""
    count = 0
    for part in in_parts(ids):
        locked = select(*GoneItem.__table__.columns).where(GoneItem.id.in_(part)).with_for_update()
        gone_items = session.execute(locked).all()
        rows = [orjson.loads(row.item) | {"id": row.id, "version": row.version} for row in gone_items]
        barcodes = [row["barcode"] for row in rows if row["barcode"]]
        institutions = {row.institution_id for row in gone_items}
        of_barcodes = (Item.institution_id.in_(institutions), Item.barcode.in_(barcodes))
        taken = set(session.scalars(select(Item.barcode).where(*of_barcodes)))
        for row in rows:
            row |= {name: parse_id(row[name]) for name in ("institution_id", "branch_id")}
            if row["barcode"] in taken:
                row |= {"barcode": None, "contested_barcode": row["barcode"]}
        if rows:
            session.execute(insert(Item.__table__), rows)  # type: ignore[arg-type]
        take_back(session, [row["id"] for row in rows])
        count += len(rows)
    return count
