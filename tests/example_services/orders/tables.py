"""Tables of orders: one row per handling of an ArticleReceived, and the faults that a test switches on."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String, Table

from chassis.database.column_types import BigNumber

metadata = MetaData()

placed_orders = Table(
    "placed_orders",
    metadata,
    Column("number", BigNumber, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("institution", String(64), nullable=False),
    Column("actor", String(64), nullable=False),
)
faults = Table("faults", metadata, Column("name", String(64), primary_key=True))
