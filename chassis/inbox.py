"""The inbox: each handler remembers which facts it has seen, in the transaction of their effect."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Column, String, Table, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chassis import clock
from chassis.db import Id, UtcTime, chassis_tables
from chassis.ids import earliest_id

KEPT = timedelta(days=30)

inbox = Table(
    "inbox",
    chassis_tables,
    Column("consumer", String(64), primary_key=True),
    Column("event_id", Id, primary_key=True),
    Column("at", UtcTime, nullable=False),
)


def first_time(session: Session, consumer: str, event_id: UUID) -> bool:
    """Whether this consumer sees the fact for the first time; remembered when the caller's transaction commits.

    A second delivery meanwhile waits for that commit and then answers False.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = insert(inbox).values(consumer=consumer, event_id=event_id, at=clock.now()).on_conflict_do_nothing()
    # What it returns, not rowcount: drivers count inserts differently.
    return session.execute(row.returning(inbox.c.event_id)).first() is not None


def purge(session: Session) -> int:
    """Forget facts older than 30 days; returns how many. The bus delivers none that old."""
    gone = session.execute(delete(inbox).where(inbox.c.event_id < earliest_id(clock.now() - KEPT)))
    return int(gone.rowcount)  # type: ignore[attr-defined]
