"""Tables of stock: articles, and one row per handling of an OrderPlaced."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String, Table

from chassis.database.column_types import BigNumber, Id

metadata = MetaData()

articles = Table("articles", metadata, Column("id", Id, primary_key=True), Column("name", String(64), nullable=False))
reservations = Table(
    "reservations", metadata, Column("number", BigNumber, primary_key=True), Column("name", String(64), nullable=False)
)
