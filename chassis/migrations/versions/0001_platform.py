"""Outbox, inbox, deliveries and leases. In release 0.1.0 the first revision of each service made the same tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id
from chassis.migrations.migrate import create_or_adopt

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    metadata = sa.MetaData()
    for define in (_outbox, _inbox, _deliveries, _leases):
        define(metadata)
    create_or_adopt(op, metadata)


def _text(name: str, length: int | None = None, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length) if length else sa.Text, primary_key=key, nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _outbox(metadata: sa.MetaData) -> None:
    table = sa.Table(
        "outbox",
        metadata,
        sa.Column("id", Id, primary_key=True),
        _text("type", 200),
        _text("body"),
        _text("aggregate_id", 64),
        sa.Column("version", BigNumber, nullable=False),
        _text("institution", 64),
        _text("actor", 128),
        _time("occurred_at"),
        _text("traceparent", 64),
        _time("published_at", nullable=True),
    )
    unpublished = sa.text("published_at IS NULL")
    sa.Index("outbox_unpublished", table.c.id, sqlite_where=unpublished, postgresql_where=unpublished)


def _inbox(metadata: sa.MetaData) -> None:
    sa.Table(
        "inbox",
        metadata,
        _text("consumer", 64, key=True),
        sa.Column("event_id", Id, primary_key=True),
        _time("at"),
    )


def _deliveries(metadata: sa.MetaData) -> None:
    table = sa.Table(
        "deliveries",
        metadata,
        sa.Column("event_id", Id, primary_key=True),
        _text("handler", 64, key=True),
        _text("type", 200),
        _text("body"),
        _text("aggregate_id", 64),
        sa.Column("version", BigNumber, nullable=False),
        _text("institution", 64),
        _text("actor", 128),
        _time("occurred_at"),
        _text("traceparent", 64),
        sa.Column("attempts", sa.Integer, nullable=False),
        _time("next_at"),
        sa.Column("dead", sa.Boolean, nullable=False),
        _text("error"),
    )
    sa.Index("deliveries_due", table.c.dead, table.c.next_at)


def _leases(metadata: sa.MetaData) -> None:
    sa.Table(
        "leases",
        metadata,
        _text("role", 64, key=True),
        _text("holder", 64),
        sa.Column("token", sa.BigInteger, nullable=False),
        _time("until"),
    )
