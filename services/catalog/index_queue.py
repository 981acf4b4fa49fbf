"""The index queue: one row for each record whose document in the index is older than the tables.

The version of a document is that of the record plus the record's index_changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import insert_into
from services.catalog.harvest.numbering import number_at_end
from services.catalog.tables import IndexQueue

DELETE_BATCH = 1_000


def enqueue(session: Session, versions: Iterable[tuple[int, int]], *, is_change: bool = True) -> None:
    """Queue records for the index, as (number, version), in the transaction that wrote them.

    is_change  the records have new versions, so they get change numbers; False for changes that only the index needs
    """
    now = clock.now()
    # Sorted, so that two writers do not deadlock.
    queued = sorted(versions)
    rows = [{"record_number": number, "version": version, "queued_at": now} for number, version in queued]
    if rows:
        session.execute(_enqueue(session.get_bind().dialect.name), rows)
    if rows and is_change:
        number_at_end(session, [number for number, _ in queued])


@lru_cache
def _enqueue(dialect_name: str) -> Any:
    insert = insert_into(IndexQueue.__table__, dialect_name)
    newer = IndexQueue.version < insert.excluded.version
    values = {"version": insert.excluded.version}
    return insert.on_conflict_do_update(index_elements=["record_number"], set_=values, where=newer)


def queued_versions(session: Session, limit: int, *, after: int = 0) -> dict[int, int]:
    """Return record number -> version of the next rows, by number, after a number."""
    rows = select(IndexQueue.record_number, IndexQueue.version).where(IndexQueue.record_number > after)
    rows = rows.order_by(IndexQueue.record_number).limit(limit)
    return {row.record_number: row.version for row in session.execute(rows)}


def dequeue(session: Session, versions: dict[int, int], *, read_at: datetime | None = None) -> None:
    """Delete rows of the queue, given as number -> version; a row whose version has changed stays.

    read_at  when these versions were read. It becomes the time of rows that stay, because the index has all changes
             before it; None keeps the times
    """
    numbers = sorted(versions)
    for start in range(0, len(numbers), DELETE_BATCH):
        # Locked in the order of enqueue(), so that the two do not deadlock.
        locked = (
            select(IndexQueue.record_number, IndexQueue.version)
            .where(IndexQueue.record_number.in_(numbers[start : start + DELETE_BATCH]))
            .order_by(IndexQueue.record_number)
            .with_for_update()
        )
        done: list[int] = []
        changed: list[int] = []
        for number, version in session.execute(locked):
            (done if version == versions[number] else changed).append(number)
        session.execute(delete(IndexQueue).where(IndexQueue.record_number.in_(done)))
        if changed and read_at is not None:
            is_older = or_(IndexQueue.queued_at < read_at, IndexQueue.queued_at.is_(None))
            rows = update(IndexQueue).where(IndexQueue.record_number.in_(changed), is_older)
            session.execute(rows.values(queued_at=read_at))
