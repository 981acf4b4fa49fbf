"""Requests for a new index, their progress, and the check of the live index against the tables."""

from __future__ import annotations

import time
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import NotFound
from chassis.ids import new_id
from services.catalog.index.installation import was_built_here
from services.catalog.index.port import Index, Sums
from services.catalog.tables import IndexQueue, IndexRebuild, Record

ACTOR = system("index")
RECOUNT_SECONDS = 1.0


def request_rebuild(database: Database) -> UUID:
    """Request a new index, which the holder of the index lease builds; returns the pending request if there is one."""
    with database.transaction(ACTOR) as session:
        return pending_request(session)


def rebuild_progress(database: Database, rebuild_id: UUID) -> IndexRebuild:
    """Return a request with its progress; `finished_at` is set when it is done or has failed with an `error`.

    raises  NotFound  REBUILD_NOT_FOUND
    """
    with database.reading(READER) as session:
        row = session.get(IndexRebuild, rebuild_id)
        if row is None:
            raise NotFound("REBUILD_NOT_FOUND", rebuild=str(rebuild_id))
        session.expunge(row)
        return row


def index_fault(database: Database, index: Index) -> str:
    """Return the fault of the index as a reason code; "" when it is sound.

    The codes are those of Index.fault and compare, and one more:
    INDEX_STRANGE  the database has no request for it, although this installation made it: a dump was restored

    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_FOREIGN
    """
    fault = index.fault()
    if not fault and not was_built_here(database, index.name()):
        fault = "INDEX_STRANGE"
    return fault or compare(database, index)


def compare(database: Database, index: Index) -> str:
    """Compare the documents of the index with the records, if the queue is empty; returns a fault or "".

    INDEX_INCOMPLETE  the number of documents is not the number of records
    INDEX_STALE       the numbers are equal, but the index has other records or other versions

    This always finds a database that was restored from a dump older than the index, because record numbers and
    versions only grow. If the index has other records, and as many, the sums of the numbers differ, because new numbers
    are higher than all before. If it has the same records, each update since the dump has increased the sum of the
    versions in the index.
    """
    last_sums = None
    for _attempt in range(2):
        expected, queued = _sums_of_tables(database)
        indexed = index.sums()
        if queued or indexed == expected or (expected, queued) != _sums_of_tables(database):
            return ""
        if last_sums == expected:
            return "INDEX_INCOMPLETE" if indexed.documents != expected.documents else "INDEX_STALE"
        # The last write of another process may not be visible yet.
        last_sums = expected
        time.sleep(RECOUNT_SECONDS)
    return ""


def _sums_of_tables(database: Database) -> tuple[Sums, int]:
    """Return the sums of the records, and the length of the queue; one statement, so both are of the same moment."""
    length = select(func.count()).select_from(IndexQueue).scalar_subquery()
    sums = select(func.count(), func.sum(Record.number), func.sum(Record.version + Record.index_changes), length)
    with database.reading(READER) as session:
        documents, numbers, versions, queued = session.execute(sums.where(Record.deleted_at.is_(None))).one()
    return Sums(documents, int(numbers or 0), int(versions or 0)), queued


def pending_request(session: Session) -> UUID:
    """Return the id of the pending request; add a request if there is none."""
    pending = session.scalars(select(IndexRebuild.id).where(IndexRebuild.state == "wanted").limit(1)).first()
    if pending is not None:
        return pending
    rebuild_id = new_id()
    session.add(
        IndexRebuild(
            id=rebuild_id,
            asked_at=clock.now(),
            state="wanted",
            reached=0,
            written=0,
            total=0,
            error="",
            finished_at=None,
        )
    )
    return rebuild_id


def next_request(session: Session) -> IndexRebuild | None:
    """Return the oldest unfinished request."""
    unfinished = select(IndexRebuild).where(IndexRebuild.state.in_(("wanted", "running")))
    return session.scalars(unfinished.order_by(IndexRebuild.asked_at).limit(1)).first()


def count_records(session: Session, *, up_to: int | None = None) -> int:
    """Count the records to index: all, or those up to a number."""
    records = select(func.count()).select_from(Record).where(Record.deleted_at.is_(None))
    return session.scalar(records if up_to is None else records.where(Record.number <= up_to)) or 0
