"""Completes records that an older release imported: works, positions in lists, headings."""

from __future__ import annotations

import threading

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.db import Database
from chassis.sql import update_many
from services.catalog.browse.headings import HeadingWriter
from services.catalog.index.queue import enqueue
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Record
from services.catalog.works.assignment import KeyedRecord, MovedRecord, assign_works, lock_works
from services.catalog.works.events import emit_moved_records
from services.catalog.works.record_keys import record_keys_of

BATCH = 500


def complete_records(database: Database, context: Context, stop: threading.Event) -> int:
    """Give each record without a work its work, its positions in lists and its headings, until `stop` or the last.

    A batch is a transaction. A later call continues, because completed records have a work.
    returns  the number of completed records
    emits    RecordsChanged
    """
    done, headings = 0, HeadingWriter()
    while not stop.is_set():
        with database.transaction(context) as session:
            filled = _batch(session, headings, context=context)
        done += filled
        if not filled:
            break
    return done


def count_incomplete(session: Session) -> int:
    """Count records without a work."""
    return session.scalar(select(func.count()).where(Record.work_number.is_(None), Record.deleted_at.is_(None))) or 0


def _batch(session: Session, headings: HeadingWriter, *, context: Context) -> int:
    lock_works(session)
    rows = session.execute(
        select(Record.number, Record.version, Record.marc)
        .where(Record.work_number.is_(None), Record.deleted_at.is_(None))
        .order_by(Record.number)
        .limit(BATCH)
    ).all()
    if not rows:
        return 0
    found = {row.number: record_keys_of(Marc.unpack(row.marc)) for row in rows}
    works = assign_works(session, [KeyedRecord(number, each.keys, fresh=False) for number, each in found.items()])
    headings.add(session, [each.headings for each in found.values()])
    changes = [
        {
            "number": row.number,
            "version": row.version + 1,
            "work_number": works.places[row.number].work,
            "work_keys": works.places[row.number].keys,
            "title_sort": found[row.number].title_sort,
            "author_sort": found[row.number].author_sort,
            "standard_number": found[row.number].standard_number,
        }
        for row in rows
    ]
    update_many(session, Record, changes, key="number")
    moved = [*(MovedRecord(row.number, row.version + 1) for row in rows), *works.moved]
    enqueue(session, moved)
    emit_moved_records(session, moved, context=context)
    return len(rows)
