"""Reads stored records again: for items by another item map, and for data that an older release did not store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus.events import emit
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.sql import update_many
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import RecordsChanged
from services.catalog.browse.headings import HeadingWriter
from services.catalog.importing.upsert import ImportTarget, open_target
from services.catalog.index_queue import enqueue
from services.catalog.items.branches import holdings_of, open_branches, resolve_branches
from services.catalog.items.events import emit_items
from services.catalog.items.identities import RecordItems, plan_items, write_items
from services.catalog.items.item_maps import USUAL, ItemMap, read_map
from services.catalog.items.lending import put_holdings
from services.catalog.items.parsing import items_of
from services.catalog.marc.record import Record as Marc
from services.catalog.marc.record import by_tag
from services.catalog.record.item_facts import record_facts_of
from services.catalog.tables import EditedRecord, Institution, Item, Record, Source
from services.catalog.works.assignment import KeyedRecord, MovedRecord, assign_works, emit_moved_records, lock_works
from services.catalog.works.keys import record_keys_of

BATCH = 500
_RECORDS = (
    select(Record.number, Record.id, Record.version, Record.index_changes, Record.marc)
    .add_columns(EditedRecord.record_number.is_not(None).label("is_edited"))
    .outerjoin(EditedRecord, EditedRecord.record_number == Record.number)
    .where(Record.deleted_at.is_(None))
)


def reread_items(
    database: Database,
    context: Context,
    *,
    source_id: UUID,
    item_map: ItemMap,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Read the items of all records of a source with this map; one transaction per batch.

    Records that are edited here keep their items, which do not follow the edited content.

    on_progress  is called after each batch with the number of records read
    returns      the number of records whose items changed; records with visible changes get a new version
    emits        RecordsChanged, ItemsChanged, InstitutionsChanged
    """
    after, seen, changed, act = 0, 0, 0, new_id()
    while True:
        with database.transaction(context) as session:
            target = _open(session, source_id)
            rows = session.execute(
                _RECORDS.where(Record.source_id == source_id, Record.number > after)
                .order_by(Record.number)
                .limit(BATCH)
            ).all()
            if rows:
                changed += _reread_batch(session, target, rows, item_map, context=context, act=act, sequence=seen + 1)
        if not rows:
            return changed
        after, seen = rows[-1].number, seen + len(rows)
        on_progress(seen)


def fill_missing_items(database: Database, context: Context, stop: threading.Event) -> int:
    """Read again the items that an older release stored without a sort key or without their use.

    returns  records whose items changed
    """
    after, changed, act = 0, 0, new_id()
    while not stop.is_set():
        with database.reading(context) as session:
            unplaced = (
                select(Item.record_number)
                .join(Record, Record.number == Item.record_number)
                .where(or_(Item.access.is_(None), and_(Item.call_sort == "", Item.call_number != "")))
                .where(Item.record_number > after, Record.deleted_at.is_(None))
                .distinct()
                .order_by(Item.record_number)
                .limit(BATCH)
            )
            numbers = session.scalars(unplaced).all()
            sources = session.execute(
                select(Source.id, Source.item_map)
                .join(Record, Record.source_id == Source.id)
                .where(Record.number.in_(numbers))
                .distinct()
            )
            maps = {row.id: row.item_map for row in sources}
        for source_id in sorted(maps):
            item_map = read_map(maps[source_id]) if maps[source_id] else USUAL
            with database.transaction(context) as session:
                target = _open(session, source_id)
                rows = session.execute(
                    _RECORDS.where(Record.source_id == source_id, Record.number.in_(numbers)).order_by(Record.number)
                ).all()
                changed += _reread_batch(session, target, rows, item_map, context=context, act=act, sequence=after + 1)
        if not numbers:
            break
        after = numbers[-1]
    return changed


def _open(session: Session, source_id: UUID) -> ImportTarget:
    """Lock the source as an import does, so that both alternate batch by batch."""
    lock_works(session)
    code, institution = session.execute(
        select(Source.code, Institution.code)
        .join(Institution, Institution.id == Source.institution_id)
        .where(Source.id == source_id)
        .with_for_update(of=Source)
    ).one()
    return open_target(session, source=code, institution=institution)


def _reread_batch(
    session: Session,
    target: ImportTarget,
    rows: Sequence[Any],
    item_map: ItemMap,
    *,
    context: Context,
    act: UUID,
    sequence: int,
) -> int:
    claims = []
    for row in rows:
        record = Marc.unpack(row.marc)
        items = [] if row.is_edited else resolve_branches(target.shelves, items_of(record, item_map))
        facts = record_facts_of(record.leader, by_tag(record.fields))
        claims.append(RecordItems(row.number, row.id, 0, items, facts, fresh=False, keeps_items=row.is_edited))
    open_branches(session, target.shelves, (item for claim in claims for item in claim.items), context=context)
    plan = plan_items(session, target.shelves, claims)
    at = clock.now()
    write_items(session, plan, at=at)
    visible = [row for row in rows if row.number in plan.visible]
    if visible:
        changes = [
            {
                "number": row.number,
                "version": row.version + 1,
                "updated_at": at,
                "holdings": holdings_of(target.shelves, plan.items[row.number]),
            }
            for row in visible
        ]
        update_many(session, Record, changes, key="number")
        enqueue(session, [(row.number, row.version + 1 + row.index_changes) for row in visible])
        event = RecordsChanged(
            source=target.source,
            record_ids=[str(row.id) for row in visible],
            versions=[row.version + 1 for row in visible],
        )
        emit(session, event, aggregate_id=f"reshelving:{act}", version=sequence, context=context)
    put_holdings(session, plan.affected, at=at, context=context)
    emit_items(session, plan.copies, context=context)
    return len(plan.changed)


def complete_records(database: Database, context: Context, stop: threading.Event) -> int:
    """Give each record without a work its work, its positions in lists and its headings, until `stop` or the last.

    A batch is a transaction. A later call continues, because completed records have a work.
    returns  the number of completed records
    emits    RecordsChanged
    """
    done, headings = 0, HeadingWriter()
    while not stop.is_set():
        with database.transaction(context) as session:
            filled = _complete_batch(session, headings, context=context)
        done += filled
        if not filled:
            break
    return done


def count_incomplete(session: Session) -> int:
    """Count records without a work."""
    return session.scalar(select(func.count()).where(Record.work_number.is_(None), Record.deleted_at.is_(None))) or 0


def _complete_batch(session: Session, headings: HeadingWriter, *, context: Context) -> int:
    lock_works(session)
    rows = session.execute(
        select(Record.number, Record.version, Record.index_changes, Record.marc)
        .where(Record.work_number.is_(None), Record.deleted_at.is_(None))
        .order_by(Record.number)
        .limit(BATCH)
    ).all()
    if not rows:
        return 0
    keys = {row.number: record_keys_of(Marc.unpack(row.marc)) for row in rows}
    works = assign_works(
        session, [KeyedRecord(number, record_keys.keys, fresh=False) for number, record_keys in keys.items()]
    )
    headings.add(session, [record_keys.headings for record_keys in keys.values()])
    changes = [
        {
            "number": row.number,
            "version": row.version + 1,
            "work_number": works.assignments[row.number].work,
            "work_keys": works.assignments[row.number].keys,
            "title_sort": keys[row.number].title_sort,
            "author_sort": keys[row.number].author_sort,
            "standard_number": keys[row.number].standard_number,
        }
        for row in rows
    ]
    update_many(session, Record, changes, key="number")
    moved = [*(MovedRecord(row.number, row.version + 1 + row.index_changes) for row in rows), *works.moved]
    enqueue(session, moved)
    emit_moved_records(session, moved, context=context)
    return len(rows)
