"""The database on PostgreSQL that tests share: after each test it is as the migrations left it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert, text

from chassis.context import system
from chassis.database.db import Database
from chassis.ids import new_id
from services.catalog.service import SERVICE
from services.catalog.tables import Branch, Institution
from tests.migrated import MOST_DELETED_BYTES, MigratedDatabases

TEST = system("test")


def add_institutions(database: Database, number: int) -> None:
    """Add institutions with a branch each; a row takes 1,600 bytes."""
    texts = {"kind": "public", "npp": "", "isil": "", "zone": "Asia/Jakarta"}
    institutions = [
        {"id": new_id(), "code": f"L{code}", "name_id": f"{code:0750}", "name_en": f"{code:0750}", **texts}
        for code in range(number)
    ]
    branch = {"code": "PUSAT", "name_id": "Pusat", "name_en": "Central", "confirmed": True, **texts}
    with database.transaction(TEST) as session:
        session.execute(insert(Institution), institutions)
        session.execute(
            insert(Branch),
            [{"id": new_id(), "institution_id": institution["id"], **branch} for institution in institutions],
        )


def rows(database: Database) -> dict[str, list[str]]:
    """The rows of each table, as text."""
    with database.reading(TEST) as session:
        names = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return {
            name: sorted(session.scalars(text(f'SELECT CAST({name} AS text) FROM "{name}"')).all()) for name in names
        }


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("number", [1, MOST_DELETED_BYTES // 1_500 + 20])
def test_the_next_test_finds_what_the_migrations_wrote(
    migrated: MigratedDatabases, tmp_path: Path, number: int
) -> None:
    with migrated.open(SERVICE, "postgresql", tmp_path) as database:
        before = rows(database)
        add_institutions(database, number)
        assert rows(database) != before
    with migrated.open(SERVICE, "postgresql", tmp_path) as database:
        assert rows(database) == before
