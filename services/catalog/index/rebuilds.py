"""Wishes for a new index, and what is known of the index that stands."""

from __future__ import annotations

import time
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import READER, system
from chassis.db import Database
from chassis.errors import LocalText, NotFound
from chassis.ids import new_id
from services.catalog.index.port import Index
from services.catalog.tables import IndexQueue, IndexRebuild, Record

ACTOR = system("index")
AGAIN_SECONDS = 1.0


def ask_rebuild(database: Database) -> UUID:
    """Wish for a new index; the holder of the index lease makes it. One that is wished for already will do."""
    with database.transaction(ACTOR) as session:
        return wish(session)


def rebuild_progress(database: Database, asked: UUID) -> IndexRebuild:
    """How far it is; `finished_at` is set when it is done, or failed with an `error`.

    raises  NotFound  REBUILD_NOT_FOUND
    """
    with database.reading(READER) as session:
        row = session.get(IndexRebuild, asked)
        if row is None:
            raise NotFound(
                "REBUILD_NOT_FOUND",
                LocalText("Pembangunan indeks {rebuild} tidak ada.", "There is no rebuild {rebuild}."),
                rebuild=str(asked),
            )
        session.expunge(row)
        return row


def unsound(database: Database, index: Index) -> str:
    """What is wrong with the index as a reason code, "" when nothing is: the port's own codes and two more.

    INDEX_STRANGE     sound, but not made from this database: its numbers name other records
    INDEX_INCOMPLETE  it has more or fewer documents than there are records, with nothing left in the queue
    """
    trouble = index.trouble()
    if trouble:
        return trouble
    for last in (False, True):
        with database.reading(READER) as session:
            if not knows(session, index.name()):
                return "INDEX_STRANGE"
            queued = session.scalar(select(func.count()).select_from(IndexQueue))
            there = records(session)
        if queued or index.count() == there:
            return ""
        if not last:
            # Somebody else may be the one that writes, and have written between our two looks.
            time.sleep(AGAIN_SECONDS)
    return "INDEX_INCOMPLETE"


def wish(session: Session) -> UUID:
    """The wish that waits, made if there is none."""
    wanted = session.scalars(select(IndexRebuild.id).where(IndexRebuild.state == "wanted").limit(1)).first()
    if wanted is not None:
        return wanted
    fresh = new_id()
    session.add(
        IndexRebuild(
            id=fresh, asked_at=clock.now(), state="wanted", reached=0, written=0, total=0, error="", finished_at=None
        )
    )
    return fresh


def next_wish(session: Session) -> IndexRebuild | None:
    """The oldest wish not yet fulfilled."""
    unfulfilled = select(IndexRebuild).where(IndexRebuild.state.in_(("wanted", "running")))
    return session.scalars(unfulfilled.order_by(IndexRebuild.asked_at).limit(1)).first()


def records(session: Session, *, up_to: int | None = None) -> int:
    """How many records there are to index, all or those up to a number."""
    asked = select(func.count()).select_from(Record).where(Record.deleted_at.is_(None))
    return session.scalar(asked if up_to is None else asked.where(Record.number <= up_to)) or 0


def knows(session: Session, name: str) -> bool:
    """Whether an index of this name was built from this database: a rebuild's id is its index's name."""
    try:
        return session.get(IndexRebuild, UUID(hex=name)) is not None
    except ValueError:
        return False
