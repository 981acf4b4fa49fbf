"""What the pantry keeps: jars, and what the kitchen told of them."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String, Table

from chassis.db import BigNumber, Id

metadata = MetaData()

jars = Table("jars", metadata, Column("id", Id, primary_key=True), Column("name", String(64), nullable=False))
uses = Table(
    "uses", metadata, Column("number", BigNumber, primary_key=True), Column("name", String(64), nullable=False)
)
