"""Requests for a new index, their progress, and the check of the live index against the tables."""

from __future__ import annotations

import time
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import READER, system
from chassis.db import Database
from chassis.errors import NotFound
from chassis.ids import new_id
from services.catalog.index.port import Index
from services.catalog.tables import IndexQueue, IndexRebuild, Record

ACTOR = system("index")
RECOUNT_SECONDS = 1.0


def request_rebuild(database: Database) -> UUID:
    """Request a new index, which the holder of the index lease builds; returns the pending request if there is one."""
    with database.transaction(ACTOR) as session:
        return pending_request(session)


def rebuild_progress(database: Database, rebuild_id: UUID) -> IndexRebuild:
    """Return a request with its progress; `finished_at` is set when it is done, or failed with an `error`.

    raises  NotFound  REBUILD_NOT_FOUND
    """
    with database.reading(READER) as session:
        row = session.get(IndexRebuild, rebuild_id)
        if row is None:
            raise NotFound("REBUILD_NOT_FOUND", rebuild=str(rebuild_id))
        session.expunge(row)
        return row


def index_fault(database: Database, index: Index) -> str:
    """Return the fault of the index as a reason code, "" when it is sound: the codes of the port and two more.

    INDEX_STRANGE     built from another database: its numbers are those of other records
    INDEX_INCOMPLETE  the queue is empty, and the number of documents is not the number of records
    """
    fault = index.fault()
    if fault:
        return fault
    for last in (False, True):
        with database.reading(READER) as session:
            if not was_built_here(session, index.name()):
                return "INDEX_STRANGE"
            queued = session.scalar(select(func.count()).select_from(IndexQueue))
            records = count_records(session)
        if queued or index.count() == records:
            return ""
        if not last:
            # Another process may have written between the two counts.
            time.sleep(RECOUNT_SECONDS)
    return "INDEX_INCOMPLETE"


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


def was_built_here(session: Session, name: str) -> bool:
    """Tell whether an index of this name was built from this database: its name is the id of a rebuild."""
    try:
        return session.get(IndexRebuild, UUID(hex=name)) is not None
    except ValueError:
        return False
