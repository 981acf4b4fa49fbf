"""The inbox: each handler records the events that it has handled, in the transaction of their effect."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Column, String, Table
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.column_types import Id, UtcTime
from chassis.database.db import chassis_tables
from chassis.database.sql import insert_ignore

RETENTION = timedelta(days=30)

inbox = Table(
    "inbox",
    chassis_tables,
    Column("consumer", String(64), primary_key=True),
    Column("event_id", Id, primary_key=True),
    Column("at", UtcTime, nullable=False),
)


def record_delivery(session: Session, consumer: str, event_id: UUID) -> bool:
    """Record that this consumer handles an event. Returns False if the consumer has handled the event before.

    For a second delivery at the same time, this waits for the commit of the first and then returns False.
    """
    row = {"consumer": consumer, "event_id": event_id, "at": clock.now()}
    return insert_ignore(session, inbox, [row]) == 1
