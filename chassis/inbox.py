"""The inbox: each handler records which events it has handled, in the transaction of their effect."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Column, String, Table, delete
from sqlalchemy.orm import Session

from chassis import clock
from chassis.db import Id, UtcTime, chassis_tables
from chassis.ids import earliest_id
from chassis.sql import insert_for

KEPT = timedelta(days=30)

inbox = Table(
    "inbox",
    chassis_tables,
    Column("consumer", String(64), primary_key=True),
    Column("event_id", Id, primary_key=True),
    Column("at", UtcTime, nullable=False),
)


def first_time(session: Session, consumer: str, event_id: UUID) -> bool:
    """Whether this consumer handles the event for the first time; recorded when the caller's transaction commits.

    A second delivery meanwhile waits for that commit and then answers False.
    """
    row = insert_for(session, inbox).values(consumer=consumer, event_id=event_id, at=clock.now())
    # What the statement returns, not its rowcount: drivers count inserts differently.
    return session.execute(row.on_conflict_do_nothing().returning(inbox.c.event_id)).first() is not None


def purge(session: Session) -> int:
    """Delete rows older than 30 days; returns how many. The bus delivers no event that old."""
    deleted = session.execute(delete(inbox).where(inbox.c.event_id < earliest_id(clock.now() - KEPT)))
    return int(deleted.rowcount)  # type: ignore[attr-defined]
