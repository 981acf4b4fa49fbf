"""Regroups the records of an existing catalogue after the rules of works have changed, batch by batch."""

from __future__ import annotations

import threading

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.database.db import Database
from chassis.database.sql import update_many
from services.catalog.index_queue import enqueue
from services.catalog.marc.record import Record as Marc
from services.catalog.marc.record import by_tag
from services.catalog.tables import Installation, Record
from services.catalog.works.assignment import MovedRecord, StoredWork, emit_moved_records, lock_works, regroup_works
from services.catalog.works.keys import RULES, keys_of, unpack

BATCH = 500  # records in one transaction, which regroups their works completely
MOST_RECORDS = 5_000  # read in one transaction; beyond it, the works of fewer than BATCH records are regrouped


def begin(database: Database, context: Context) -> None:
    """Let regroup_records begin at the first record again, by whichever rules the records are grouped now."""
    with database.transaction(context) as session:
        _save(session, rules=0, reached=0)


def regroup_records(database: Database, context: Context, stop: threading.Event) -> int:
    """Regroup the works of all records, unless they are already regrouped; a later call continues.

    returns  the number of records that are now in another work
    emits    RecordsChanged
    """
    moved = 0
    while not stop.is_set():
        with database.transaction(context) as session:
            lock_works(session)
            rules, after = session.execute(select(Installation.works_rules, Installation.regrouped)).one()
            if rules >= RULES:
                break
            last, records = _regroup_batch(session, after)
            if last is None:
                _save(session, rules=RULES, reached=0)
            else:
                _save(session, rules=rules, reached=last)
            enqueue(session, records)
            emit_moved_records(session, records, context=context)
        moved += len(records)
    return moved


def count_left(session: Session) -> int:
    """Count the records that are still grouped by older rules."""
    rules, after = session.execute(select(Installation.works_rules, Installation.regrouped)).one()
    if rules >= RULES:
        return 0
    left = select(func.count()).where(
        Record.number > after, Record.work_number.is_not(None), Record.deleted_at.is_(None)
    )
    return session.scalar(left) or 0


def _save(session: Session, *, rules: int, reached: int) -> None:
    session.execute(update(Installation).values(works_rules=rules, regrouped=reached))


def _regroup_batch(session: Session, after: int) -> tuple[int | None, list[MovedRecord]]:
    """Regroup the works of the next records; returns the last record reached, and the records that moved."""
    batch = session.execute(
        select(Record.number, Record.work_number)
        .where(Record.number > after, Record.work_number.is_not(None), Record.deleted_at.is_(None))
        .order_by(Record.number)
        .limit(BATCH)
    ).all()
    if not batch:
        return None, []
    sizes = dict(
        session.execute(
            select(Record.work_number, func.count())
            .where(Record.work_number.in_({row.work_number for row in batch}), Record.deleted_at.is_(None))
            .group_by(Record.work_number)
        ).all()
    )
    last, records, works = 0, 0, set[int]()
    for row in batch:
        records += 0 if row.work_number in works else sizes[row.work_number]
        if works and records > MOST_RECORDS:
            break
        works.add(row.work_number)
        last = row.number
    return last, _regroup(session, works, after)


def _regroup(session: Session, works: set[int], after: int) -> list[MovedRecord]:
    rows = session.execute(
        select(Record.number, Record.version, Record.index_changes, Record.work_number, Record.work_keys, Record.marc)
        .where(Record.work_number.in_(works), Record.deleted_at.is_(None))
        .order_by(Record.number)
    ).all()
    # A work with a record of an earlier batch was regrouped in that batch. A record with a ruling has no keys, and
    # stays.
    regrouped_works = {row.work_number for row in rows if row.number <= after}
    open_rows = {
        row.number: row for row in rows if row.work_number not in regrouped_works and row.work_keys is not None
    }
    new_keys = {}
    for number, row in open_rows.items():
        record = Marc.unpack(row.marc)
        new_keys[number] = tuple(key.number for key in keys_of(record.leader, by_tag(record.fields)))
    by_work: dict[int, list[int]] = {}
    for number, row in open_rows.items():
        by_work.setdefault(row.work_number, []).append(number)
    stored = [
        StoredWork(
            work,
            frozenset(key for number in numbers for key in unpack(open_rows[number].work_keys)),
            {number: new_keys[number] for number in numbers},
        )
        for work, numbers in by_work.items()
        if any(set(unpack(open_rows[number].work_keys)) != set(new_keys[number]) for number in numbers)
    ]
    result = regroup_works(session, stored)
    changes, moved = [], list(result.moved)
    for number, place in result.assignments.items():
        row = open_rows[number]
        is_moved = place.work != row.work_number
        changes.append(
            {"number": number, "work_number": place.work, "work_keys": place.keys, "version": row.version + is_moved}
        )
        if is_moved:
            moved.append(MovedRecord(number, row.version + 1 + row.index_changes))
    update_many(session, Record, changes, key="number")
    return moved
