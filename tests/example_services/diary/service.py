"""The diary: notes that only their institution reads, and an audit table to which rows are only added."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String, Table

from chassis.database.column_types import BigNumber, Id
from chassis.service import Service

metadata = MetaData()

notes = Table(
    "notes",
    metadata,
    Column("number", BigNumber, primary_key=True, autoincrement=False),
    Column("institution_id", Id, nullable=False),
    Column("text", String(64), nullable=False),
)
audit = Table("audit", metadata, Column("number", BigNumber, primary_key=True, autoincrement=False))
copies = Table("copies", metadata, Column("text", String(64), primary_key=True))

SERVICE = Service(
    name="diary",
    tables=metadata,
    migrations="tests.example_services.diary.migrations",
    protected_tables=("notes",),
    append_only=("audit",),
)
