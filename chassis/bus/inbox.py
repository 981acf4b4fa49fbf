"""The inbox: each handler records the events that it has handled, in the transaction of their effect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column, String, Table
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.column_types import Id, UtcTime
from chassis.database.db import chassis_tables
from chassis.database.sql import insert_into

RETENTION = timedelta(days=30)

inbox = Table(
    "inbox",
    chassis_tables,
    Column("consumer", String(64), primary_key=True),
    Column("event_id", Id, primary_key=True),
    Column("at", UtcTime, nullable=False),
)


def record_deliveries(session: Session, deliveries: Sequence[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
    """Record that consumers handle events, as (consumer, event id). Returns those that were not recorded before.

    For a second delivery at the same time, this waits for the commit of the first.
    """
    now = clock.now()
    rows = [{"consumer": consumer, "event_id": event_id, "at": now} for consumer, event_id in deliveries]
    return {(row.consumer, row.event_id) for row in session.execute(_record(session.get_bind().dialect.name), rows)}


@lru_cache
def _record(dialect_name: str) -> Any:
    return insert_into(inbox, dialect_name).on_conflict_do_nothing().returning(inbox.c.consumer, inbox.c.event_id)
