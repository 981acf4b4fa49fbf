"""Columns of the tables that store events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Column, String, Text

from chassis.bus import ENVELOPE, Event
from chassis.database.column_types import BigNumber, UtcTime


def envelope_columns() -> list[Column[Any]]:
    """Build the columns of a table that stores events: all fields of an event except its id."""
    return [
        Column("type", String(200), nullable=False),
        Column("body", Text, nullable=False),
        Column("aggregate_id", String(64), nullable=False),
        Column("version", BigNumber, nullable=False),
        Column("institution", String(64), nullable=False),
        Column("actor", String(128), nullable=False),
        Column("occurred_at", UtcTime, nullable=False),
        Column("traceparent", String(64), nullable=False),
    ]


def event_of(row: Any, *, event_id: UUID) -> Event:
    """Return the event of a row with `envelope_columns`."""
    return Event(id=event_id, **{name: getattr(row, name) for name in ENVELOPE})
