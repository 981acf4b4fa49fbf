"""An institution reads and writes its own rows of a protected table; rows of an append-only table stay as added."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import exists, func, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis.context import READER, Context, system
from chassis.db import Database
from chassis.errors import Unavailable
from chassis.ids import new_id
from chassis.migrate import migrate
from chassis.service import Service, discover
from chassis.table_access import limit_to_institution, stored_institution
from chassis.testing import migrated_database
from tests.example_services.diary.service import SERVICE, copies, notes
from tests.migrated import MigratedDatabases

SOLOK, PADANG = (Context(institution=str(new_id())) for _ in range(2))
SYSTEM = system("test")
# A trigger refuses on SQLite, a revoked right on PostgreSQL.
REFUSED = (DBAPIError, Unavailable)
READS = (
    "SELECT text FROM notes ORDER BY number",
    'SELECT "text" FROM "notes" ORDER BY number',
    "select n.text from notes as n order by n.number",
    "SELECT notes.text FROM notes LEFT JOIN notes AS others ON others.number <> notes.number ORDER BY notes.number",
    "SELECT text FROM (SELECT * FROM notes) AS inner_notes",
    "WITH every_note AS (SELECT text FROM notes) SELECT text FROM every_note",
    "WITH RECURSIVE every AS (SELECT text FROM notes UNION SELECT text FROM every) SELECT text FROM every",
    "/* a comment */ SELECT text FROM notes",
    "SELECT Text FROM Notes",
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Database]:
    """The diary with a note of each of two institutions, opened as the app role."""
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        with database.transaction(SYSTEM) as session:
            _add(session, 1, SOLOK)
            _add(session, 2, PADANG)
        yield database


def _add(session: Session, number: int, context: Context) -> None:
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    row = {
        "number": number,
        "institution": stored_institution(context.institution) if on_sqlite else context.institution,
        "text": f"note {number}",
    }
    session.execute(text("INSERT INTO notes VALUES (:number, :institution, :text)"), row)


def _all(database: Database) -> list[str]:
    with database.reading(SYSTEM) as session:
        return list(session.scalars(text("SELECT text FROM notes ORDER BY number")))


@pytest.mark.parametrize("statement", READS)
def test_a_context_reads_only_the_rows_of_its_institution(database: Database, statement: str) -> None:
    for context, words in ((SOLOK, ["note 1"]), (PADANG, ["note 2"]), (READER, []), (SYSTEM, ["note 1", "note 2"])):
        with database.reading(context) as session:
            assert sorted(session.scalars(text(statement))) == words
        with database.transaction(context) as session:
            assert sorted(session.scalars(text(statement))) == words
        assert sorted(words for (words,) in database.rows(statement, (), context)) == words


def test_without_a_context_there_are_no_rows(database: Database) -> None:
    assert database.rows("SELECT text FROM notes", ()) == []


@pytest.mark.parametrize("table", ["main.notes", 'MAIN."notes"', '"main" . notes', "[main].[notes]"])
def test_a_protected_table_is_not_read_by_its_schema_on_sqlite(table: str) -> None:
    with pytest.raises(ValueError, match="without its schema"):
        limit_to_institution(f"SELECT text FROM {table}", SERVICE.protected_tables)


def test_statements_of_sqlalchemy_are_limited_too(database: Database) -> None:
    alias = notes.alias("others")
    with database.reading(SOLOK) as session:
        assert session.scalars(select(notes.c.text)).all() == ["note 1"]
        assert session.scalar(select(func.count()).select_from(notes).join(alias, alias.c.number != 0)) == 1
        assert session.scalars(select(notes.c.text).where(exists().where(alias.c.number == 2))).all() == []


def test_another_institutions_rows_are_neither_added_nor_changed_nor_deleted(database: Database) -> None:
    with pytest.raises(DBAPIError), database.transaction(SOLOK) as session:
        _add(session, 3, PADANG)
    with pytest.raises(DBAPIError), database.transaction(READER) as session:
        _add(session, 3, SOLOK)
    with database.transaction(SOLOK) as session:
        result = session.execute(text("UPDATE notes SET text = 'mine' WHERE number > 0"))
        assert result.rowcount == 1  # type: ignore[attr-defined]
    assert _all(database) == ["mine", "note 2"]
    with database.transaction(PADANG) as session:
        result = session.execute(text("DELETE FROM notes"))
        assert result.rowcount == 1  # type: ignore[attr-defined]
    assert _all(database) == ["mine"]


def test_a_row_cannot_move_to_another_institution(database: Database) -> None:
    with pytest.raises(DBAPIError), database.transaction(SOLOK) as session:
        session.execute(update(notes).values(institution_id=UUID(PADANG.institution)))
    with database.reading(PADANG) as session:
        assert session.scalars(text("SELECT number FROM notes")).all() == [2]


def test_a_statement_that_writes_reads_only_the_rows_of_its_institution(database: Database) -> None:
    with database.transaction(SOLOK) as session:
        session.execute(text("INSERT INTO copies SELECT text FROM notes"))
        session.execute(insert(copies).from_select(["text"], select("again " + notes.c.text)))
        unread = select(notes.c.number).where(notes.c.number == 2)
        session.execute(update(copies).where(exists(unread)).values(text="read"))
    with database.reading(SOLOK) as session:
        assert session.scalars(text("SELECT text FROM copies ORDER BY text")).all() == ["again note 1", "note 1"]


def test_many_rows_are_written_by_one_statement(database: Database) -> None:
    rows: list[dict[str, Any]] = [
        {"number": number, "institution_id": UUID(SOLOK.institution), "text": f"note {number}"}
        for number in range(10, 20)
    ]
    with database.transaction(SOLOK) as session:
        session.execute(insert(notes), rows)
    with database.reading(SOLOK) as session:
        assert session.scalar(select(func.count()).select_from(notes)) == 11
    rows[0]["institution_id"] = UUID(PADANG.institution)
    with pytest.raises(DBAPIError), database.transaction(SOLOK) as session:
        session.execute(insert(notes), [{**row, "number": row["number"] + 10} for row in rows])


def test_rows_of_an_append_only_table_are_only_added_and_read(database: Database) -> None:
    with database.transaction(SYSTEM) as session:
        session.execute(text("INSERT INTO audit VALUES (1)"))
    for statement in ("UPDATE audit SET number = 2", "DELETE FROM audit"):
        with pytest.raises(REFUSED), database.transaction(SYSTEM) as session:
            session.execute(text(statement))
    with database.reading(SYSTEM) as session:
        assert session.scalars(text("SELECT number FROM audit")).all() == [1]


def test_a_table_may_become_append_only_later(postgres_url: str, postgres_owner_url: str) -> None:
    first_manifest = Service("diary", SERVICE.tables, SERVICE.migrations)
    migrate(first_manifest, owner_url=postgres_owner_url, app_url=postgres_url)
    with (
        migrated_database(SERVICE, postgres_url, owner_url=postgres_owner_url) as database,
        pytest.raises(REFUSED),
        database.transaction(SYSTEM) as session,
    ):
        session.execute(text("DELETE FROM audit"))


def test_the_app_role_does_not_write_which_revisions_were_applied(postgres_url: str, postgres_owner_url: str) -> None:
    with migrated_database(SERVICE, postgres_url, owner_url=postgres_owner_url) as database:
        for table in ("alembic_version", "chassis_revision"):
            with pytest.raises(REFUSED), database.transaction(SYSTEM) as session:
                session.execute(text(f"DELETE FROM {table}"))


@pytest.mark.parametrize("service", [SERVICE, *discover()], ids=lambda service: service.name)
def test_a_manifest_names_the_tables_that_its_revisions_protect(service: Service, tmp_path: Path) -> None:
    with migrated_database(service, f"sqlite:///{tmp_path}/{service.name}.db") as database:
        triggers = "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_own_rows_come'"
        assert {table for (table,) in database.rows(triggers, ())} == set(service.protected_tables)
        assert set(service.append_only) <= set(inspect(database.reader).get_table_names())
