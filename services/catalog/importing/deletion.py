"""Deletes records: each stays as a tombstone; a later record with its key restores it under the same id."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus.events import emit
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.sql import in_parts, update_many
from chassis.errors import Conflict
from rangkiang.catalog.v1.events_pb2 import RecordsChanged
from services.catalog.importing.changes import StoredRecord, remember
from services.catalog.importing.decode import IncomingRecord
from services.catalog.importing.offers import IS_KEPT
from services.catalog.importing.upsert import ImportTarget, lock_source, open_target
from services.catalog.index_queue import enqueue
from services.catalog.items.events import emit_items
from services.catalog.items.identities import RecordItems, plan_items, write_items
from services.catalog.items.lending import IN, put_holdings
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import ImportSeen, Item, ItemState, Record
from services.catalog.works.assignment import emit_moved_records, remove_records

BATCH = 500
ATTEMPTS = 5  # at a batch that another writer stops


@dataclass(frozen=True, slots=True)
class Deleted:
    """Numbers of records that became tombstones, of deleted items, and of items out that are deleted at return."""

    records: int = 0
    items: int = 0
    kept: int = 0

    def plus(self, other: Deleted) -> Deleted:
        return Deleted(self.records + other.records, self.items + other.items, self.kept + other.kept)


NOTHING = Deleted()


def tombstone_of(fingerprint: bytes) -> bytes:
    """Return the fingerprint of a deleted record: every record with its key differs, so an import restores it."""
    return sha256(b"deleted" + fingerprint).digest()


def delete_records(
    session: Session,
    target: ImportTarget,
    numbers: Iterable[int],
    *,
    at: datetime,
    act: str,
    sequence: int,
    context: Context,
    run: int = 0,
) -> Deleted:
    """Delete at most BATCH records of one source with their items; skips records that are already deleted.

    An item that is out stays as withdrawn until it is returned. A freed barcode goes to a record that waits for it.

    at     becomes their deleted_at
    act    aggregate id of the event; `sequence` is its version
    run    number of the import run that deletes them; 0 without one
    emits  RecordsChanged, ItemsChanged
    """
    lock_source(session, target.source_id)
    columns = (Record.number, Record.id, Record.version, Record.index_changes, Record.marc, Record.fingerprint)
    of_numbers = Record.number.in_(sorted(numbers))
    of_source = (Record.source_id == target.source_id, Record.deleted_at.is_(None))
    rows = session.execute(select(*columns).where(of_numbers, *of_source).order_by(Record.number)).all()
    if not rows:
        return NOTHING
    if run:
        remember(session, run, (), deleted=[row.number for row in rows])
    claims = [
        RecordItems(row.number, row.id, 0, (), facts_of_packed(row.marc), fresh=False, is_deleted=True) for row in rows
    ]
    plan = plan_items(session, target.shelves, claims)
    moved = remove_records(session, [row.number for row in rows])
    tombstones = [
        {
            "number": row.number,
            "fingerprint": tombstone_of(row.fingerprint),
            "version": row.version + 1,
            "holdings": b"[]",
            "run": 0,
            "updated_at": at,
            "deleted_at": at,
            "work_number": None,
            "work_keys": None,
        }
        for row in rows
    ]
    update_many(session, Record, tombstones, key="number")
    now = clock.now()  # copies of items ask for what is gone since a time, so each batch has its own
    write_items(session, plan, at=now)
    deleted = [row.number for row in rows]
    session.execute(delete(ImportSeen).where(ImportSeen.record_number.in_(deleted)))
    versions = ((row.number, row.version + 1 + row.index_changes) for row in rows)
    enqueue(session, [*versions, *moved])
    event = RecordsChanged(
        source=target.source, record_ids=[str(row.id) for row in rows], versions=[row.version + 1 for row in rows]
    )
    emit(session, event, aggregate_id=act, version=sequence, context=context)
    emit_moved_records(session, moved, context=context)
    put_holdings(session, plan.affected, at=now, context=context)
    emit_items(session, plan.copies, context=context)
    return Deleted(len(rows), len(plan.gone), len(plan.kept))


def delete_in_batches(
    database: Database,
    context: Context,
    numbers: Sequence[int],
    *,
    source: str,
    at: datetime,
    act: str,
    run: int = 0,
    on_batch: Callable[[Session, Deleted], None] = lambda _session, _done: None,
) -> Deleted:
    """Delete records of a source, one transaction a batch, repeated when another writer stops it; see delete_records.

    on_batch  is called in each transaction with the counts until then
    """
    total = NOTHING
    for start in range(0, len(numbers), BATCH):
        part = numbers[start : start + BATCH]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with database.transaction(context) as session:
                    target = open_target(session, source=source, institution="")
                    batch = delete_records(
                        session, target, part, at=at, act=act, sequence=start + 1, context=context, run=run
                    )
                    on_batch(session, total.plus(batch))
            except Conflict as problem:
                if problem.reason != "WRITE_CONFLICT" or attempt == ATTEMPTS:
                    raise
            else:
                break
        total = total.plus(batch)
    return total


def divide(batch: Sequence[IncomingRecord]) -> tuple[list[IncomingRecord], list[IncomingRecord]]:
    """Divide a batch into records to store and records that delete. The last record of a key decides."""
    if not any(incoming.deletes for incoming in batch):
        return list(batch), []
    records = [incoming for incoming in batch if not incoming.deletes]
    stored_at = {incoming.key: incoming.ordinal for incoming in records}
    deletions = [
        incoming for incoming in batch if incoming.deletes and incoming.ordinal > stored_at.get(incoming.key, -1)
    ]
    return records, deletions


def live_numbers(session: Session, source_id: UUID, deletions: Sequence[IncomingRecord]) -> set[int]:
    """Return the numbers of the live records with the keys of `deletions`, without those that imports must not delete.

    A second record under a key is not one of them.
    """
    keys = sorted({incoming.key for incoming in deletions})
    statement = select(Record.number).where(Record.source_id == source_id, Record.deleted_at.is_(None), ~IS_KEPT)
    return set(session.scalars(statement.where(Record.control_key.in_(keys))))


def simulate_deletions(
    stored: dict[str, StoredRecord], deletions: Sequence[IncomingRecord], live: Collection[int]
) -> int:
    """Mark records as deleted in the memory of a dry run. Returns how many the deletions delete.

    live  numbers of the records in the tables; a record that the dry run has created has number 0
    """
    count = 0
    for incoming in deletions:
        row = stored.get(incoming.key)
        if row is None or row.is_deleted or (row.number and row.number not in live):
            continue
        row.fingerprint, row.is_deleted, row.in_this_run = tombstone_of(row.fingerprint), True, False
        count += 1
    return count


def count_out(session: Session, numbers: Sequence[int]) -> int:
    """Count the items of these records that are out: a deletion keeps them until they are returned."""
    count = 0
    for chunk in in_parts(numbers):
        statement = select(func.count()).select_from(Item).join(ItemState, ItemState.item_id == Item.id)
        count += session.scalar(statement.where(Item.record_number.in_(chunk), ItemState.state != IN)) or 0
    return count
