"""Numbers the changes of records in the order in which transactions commit (ADR 0048)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus.events import emit
from chassis.context import Context, system
from chassis.database.db import Database, at_end
from chassis.database.sql import in_parts, insert_for
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import NumberedRecord, RecordChangesNumbered
from services.catalog.harvest.sets import sets_of
from services.catalog.queries import IS_NO_SANDBOX
from services.catalog.tables import Installation, Institution, NumberedChange, Record

# Advisory lock of PostgreSQL. On SQLite only one transaction writes at a time.
CHANGES_LOCK = 4_210_002
# Records of a transaction of the job, and record numbers among which one statement looks for them.
BATCH, WINDOW = 500, 10_000
_TO_NUMBER = "records_to_number"

_last = select(NumberedChange.change_number, NumberedChange.changed_at).order_by(NumberedChange.change_number.desc())
_is_unnumbered = or_(NumberedChange.version.is_(None), NumberedChange.version < Record.version)


def number_at_end(session: Session, numbers: Iterable[int]) -> None:
    """Number the changes of these records at the end of the transaction, which has written their new versions."""
    waiting: set[int] | None = session.info.get(_TO_NUMBER)
    if waiting is None:
        waiting = session.info[_TO_NUMBER] = set()
        at_end(session, lambda session: number_changes(session, session.info.pop(_TO_NUMBER)))
    waiting.update(numbers)


def number_changes(session: Session, numbers: Iterable[int], *, is_silent: bool = False) -> int:
    """Number those of these records that have a version without a number; the transaction commits next.

    The transaction has locked the records, because it wrote their versions or by FOR UPDATE; after the lock of changes
    it waits for no other. Records of sandboxes get no numbers.

    returns  the number of changes
    emits    RecordChangesNumbered, unless `is_silent`
    """
    changes: list[dict[str, Any]] = []
    numbered: list[NumberedRecord] = []
    records: dict[tuple[UUID, str], list[NumberedRecord]] = {}
    for part in in_parts(sorted(numbers)):
        rows = session.execute(
            select(
                *(Record.number, Record.id, Record.version, Record.marc, Record.brief, Record.holdings),
                *(Record.deleted_at, Record.institution_id, Institution.code, NumberedChange.sets),
            )
            .join(Institution, Institution.id == Record.institution_id)
            .outerjoin(NumberedChange, NumberedChange.record_number == Record.number)
            .where(Record.number.in_(part), _is_unnumbered, IS_NO_SANDBOX)
            .order_by(Record.number)
        )
        for row in rows:
            if row.deleted_at is None or row.sets is None:
                sets = f" {' '.join(sets_of(row.marc, row.holdings, row.code))} "
            else:
                sets = row.sets
            changes.append({"record_number": row.number, "version": row.version, "sets": sets})
            is_deleted = row.deleted_at is not None
            title = "" if is_deleted else orjson.loads(row.brief)["title"]
            record = NumberedRecord(id=str(row.id), version=row.version, is_deleted=is_deleted, title=title)
            records.setdefault((row.institution_id, row.code), []).append(record)
            numbered.append(record)
    if changes:
        now = lock_changes(session)
        last, last_at = session.execute(_last.limit(1)).first() or (0, now)
        for number, change in enumerate(changes, last + 1):
            change |= {"change_number": number, "changed_at": max(now, last_at)}
            numbered[number - last - 1].change_number = number
        insert = insert_for(session, NumberedChange)
        columns = ("version", "sets", "change_number", "changed_at")
        values = {name: insert.excluded[name] for name in columns}
        is_older = NumberedChange.version < insert.excluded.version
        upsert = insert.on_conflict_do_update(index_elements=["record_number"], set_=values, where=is_older)
        session.execute(upsert, changes)
        if not is_silent:
            _emit(session, records)
    return len(changes)


def _emit(session: Session, records: Mapping[tuple[UUID, str], Sequence[NumberedRecord]]) -> None:
    epoch = read_epoch(session)
    for (institution_id, code), of_institution in records.items():
        context = replace(system("numbering"), institution=str(institution_id))
        for start in range(0, len(of_institution), BATCH):
            some = of_institution[start : start + BATCH]
            event = RecordChangesNumbered(
                institution_id=str(institution_id), institution=code, epoch=epoch, records=some
            )
            emit(session, event, aggregate_id=f"changes:{new_id()}", version=1, context=context)


def read_epoch(session: Session) -> str:
    """Return the name of this database and its last restored backup, of which cursors of changes are."""
    installation = session.scalars(select(Installation)).one()
    return epoch_of(state_of(installation))


def state_of(installation: Installation) -> bytes:
    return installation.id.bytes + (installation.epoch.bytes if installation.epoch else b"")


def epoch_of(state: bytes) -> str:
    return blake2b(state, digest_size=8, person=b"harvest epoch").hexdigest()


def lock_changes(session: Session, *, shared: bool = False) -> datetime:
    """Wait for the transactions that have numbers and did not commit yet; no other gets numbers until this one ends.

    shared   other transactions with `shared` do not wait for this one
    returns  the time after the wait, by the clock of the database, which all processes share
    """
    if session.get_bind().dialect.name != "postgresql":
        return clock.now()
    lock = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    session.execute(text(f"SELECT {lock}(:turn)"), {"turn": CHANGES_LOCK})
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return now


def number_old_changes(database: Database, context: Context, stop: threading.Event) -> int:
    """Number the changes that an older release has written, until `stop` or the last one. Returns their number."""
    count, start = 0, 0
    with database.reading(context) as session:
        highest = session.scalar(select(func.max(Record.number))) or 0
    while start < highest and not stop.is_set():
        with database.reading(context) as session:
            numbers = session.scalars(
                select(Record.number)
                .outerjoin(NumberedChange, NumberedChange.record_number == Record.number)
                .where(Record.number > start, Record.number <= start + WINDOW, _is_unnumbered)
                .order_by(Record.number)
                .limit(BATCH)
            ).all()
        if numbers:
            locked = select(Record.number).where(Record.number.in_(numbers)).order_by(Record.number).with_for_update()
            with database.transaction(context) as session:
                session.execute(locked).all()
                count += number_changes(session, numbers, is_silent=True)
        start = numbers[-1] if len(numbers) == BATCH else start + WINDOW
    return count
