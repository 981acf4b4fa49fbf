"""The inbox: each handler records the events that it has handled, in the transaction of their effect."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Column, String, Table
from sqlalchemy.orm import Session

from chassis import clock
from chassis.db import Id, UtcTime, chassis_tables
from chassis.sql import insert_for

RETENTION = timedelta(days=30)

inbox = Table(
    "inbox",
    chassis_tables,
    Column("consumer", String(64), primary_key=True),
    Column("event_id", Id, primary_key=True),
    Column("at", UtcTime, nullable=False),
)


def record_delivery(session: Session, consumer: str, event_id: UUID) -> bool:
    """Record that this consumer handles an event; return False when it has handled the event before.

    A second delivery at the same time waits for the commit of the first one and then returns False.
    """
    row = insert_for(session, inbox).values(consumer=consumer, event_id=event_id, at=clock.now())
    # RETURNING, because drivers count inserts differently in rowcount.
    return session.execute(row.on_conflict_do_nothing().returning(inbox.c.event_id)).first() is not None
