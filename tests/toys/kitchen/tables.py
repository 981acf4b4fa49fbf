"""What the kitchen keeps: meals, each handling of a jar's fact, and whether the stove is out."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String, Table

from chassis.db import BigNumber

metadata = MetaData()

meals = Table(
    "meals",
    metadata,
    Column("number", BigNumber, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("institution", String(64), nullable=False),
    Column("actor", String(64), nullable=False),
)
faults = Table("faults", metadata, Column("name", String(64), primary_key=True))
