"""A cataloguer of an institution with one imported record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis.context import READER, Context
from chassis.database.db import Database
from services.catalog import queries
from services.catalog.cataloguing import records
from services.catalog.cataloguing.history import Version
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Institution, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer


@dataclass
class Cataloguer:
    """Acts of a cataloguer, each in a transaction of its own."""

    database: Database
    context: Context

    def create(self, marc: Marc) -> records.SavedRecord:
        with self.database.transaction(self.context) as session:
            return records.create_record(session, marc, context=self.context)

    def save(self, record_id: UUID, version: int, marc: Marc) -> records.SavedRecord:
        with self.database.transaction(self.context) as session:
            return records.replace_record(session, str(record_id), marc, version=version, context=self.context)

    def delete(self, record_id: UUID, version: int) -> None:
        with self.database.transaction(self.context) as session:
            records.delete_record(session, str(record_id), version=version, context=self.context)

    def restore(self, record_id: UUID, of_version: int = 0, version: int = 0) -> records.SavedRecord:
        """version: that the cataloguer has read; 0 for the newest."""
        read = version or self.row(record_id).version
        with self.database.transaction(self.context) as session:
            return records.restore_record(
                session, str(record_id), of_version=of_version, version=read, context=self.context
            )

    def versions(self, record_id: UUID) -> list[Version]:
        with self.database.reading(self.context) as session:
            return records.list_versions(session, str(record_id), context=self.context)

    def content(self, record_id: UUID) -> Marc:
        with self.database.reading(self.context) as session:
            return Marc.unpack(queries.record(session, record_id).marc)

    def row(self, record_id: UUID) -> Any:
        with self.database.reading(self.context) as session:
            return session.scalars(select(Record).where(Record.id == record_id)).one()


@pytest.fixture
def cataloguer(database: Database, import_: Importer) -> Cataloguer:
    import_([book("1", "Kemarau", items=[("PST", "A"), ("PST", "B")])])
    with database.reading(READER) as session:
        institution = session.scalars(select(Institution.id)).one()
    return Cataloguer(database, Context(institution=str(institution), actor="account-1"))


@pytest.fixture
def imported(database: Database, cataloguer: Cataloguer) -> Any:
    """The id of the imported record."""
    with database.reading(READER) as session:
        return session.scalars(select(Record.id)).one()


def titled(marc: Marc, title: str) -> Marc:
    """The record with another title."""
    return Marc(marc.leader, [[*field[:3], title] if field[0] == "245" else field for field in marc.fields])
