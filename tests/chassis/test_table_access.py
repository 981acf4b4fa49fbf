"""An institution reads and writes its own rows of a protected table; rows of an append-only table stay as added."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    MetaData,
    Row,
    String,
    Table,
    column,
    delete,
    exists,
    func,
    insert,
    inspect,
    literal_column,
    select,
    table,
    text,
    update,
)  # fmt: skip
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session, aliased

from chassis.context import READER, Context, system
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.ids import new_id
from chassis.migrations.migrate import migrate
from chassis.operations.testing import migrated_database
from chassis.service import Service, discover
from tests.example_services.diary.service import SERVICE, copies, notes
from tests.migrated import MigratedDatabases
from tests.other_institution import check

SOLOK, PADANG = (Context(institution=str(new_id())) for _ in range(2))
SYSTEM = system("test")
# A trigger refuses on SQLite, a revoked right on PostgreSQL.
REFUSED = (DBAPIError, Unavailable)


class Base(DeclarativeBase):
    pass


class Note(Base):
    __table__ = notes


others = notes.alias("others")
its_text = select(notes.c.text).where(notes.c.number == others.c.number).scalar_subquery()
all_notes = select(notes.c.text).cte("all_notes", recursive=True)
READS = {
    "plain": select(notes.c.text).order_by(notes.c.number),
    "table by name": select(column("text")).select_from(table("notes", column("text"))),
    "alias": select(others.c.text).order_by(others.c.number),
    "join": select(notes.c.text).outerjoin(others, others.c.number != notes.c.number).order_by(notes.c.number),
    "subquery": select(select(notes).subquery().c.text),
    "common table": select(select(notes.c.text).cte("every_note").c.text),
    "recursive": select(all_notes.union(select(all_notes.c.text)).c.text),
    "union": select(notes.c.text).union(select(others.c.text)),
    "in": select(notes.c.text).where(notes.c.number.in_(select(others.c.number))),
    "scalar": select(its_text).select_from(others),
    "entity": select(Note.text).order_by(Note.number),
    "aliased entity": select(aliased(Note).text),
}
TEXTS = (
    "SELECT text FROM notes ORDER BY number",
    'SELECT "text" FROM "notes" ORDER BY number',
    "select n.text from notes as n order by n.number",
    "SELECT text FROM (SELECT * FROM notes) AS inner_notes",
    "WITH every_note AS (SELECT text FROM notes) SELECT text FROM every_note",
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


@pytest.fixture
def sqlite_database(tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Database]:
    with migrated.open(SERVICE, "sqlite", tmp_path) as database:
        yield database


def _add(session: Session, number: int, context: Context) -> None:
    row = {"number": number, "institution_id": UUID(context.institution), "text": f"note {number}"}
    session.execute(insert(notes), row)


def _all(database: Database) -> list[str]:
    with database.reading(SYSTEM) as session:
        return list(session.scalars(select(notes.c.text).order_by(notes.c.number)))


@pytest.mark.parametrize("statement", READS.values(), ids=READS)
def test_a_context_reads_only_the_rows_of_its_institution(database: Database, statement: Any) -> None:
    for context, words in ((SOLOK, ["note 1"]), (PADANG, ["note 2"]), (READER, []), (SYSTEM, ["note 1", "note 2"])):
        with database.reading(context) as session:
            assert sorted(session.scalars(statement)) == words
        with database.transaction(context) as session:
            assert sorted(session.scalars(statement)) == words


@pytest.mark.parametrize("statement", TEXTS)
def test_text_reads_no_row_of_another_institution(database: Database, statement: str) -> None:
    for read in (lambda: session.scalars(text(statement)), lambda: session.connection().exec_driver_sql(statement)):
        with database.reading(SOLOK) as session:
            if database.is_sqlite:
                with pytest.raises(ValueError, match="names a protected table"):
                    read()
            else:
                assert [row[0] if isinstance(row, Row) else row for row in read()] == ["note 1"]


@pytest.mark.parametrize("name", ["main.notes", 'MAIN."notes"', '"main" . notes', "[main].[notes]", "`notes`"])
@pytest.mark.parametrize("context", [SOLOK, SYSTEM], ids=["institution", "system"])
def test_no_spelling_of_a_protected_table_in_text_is_run_on_sqlite(
    sqlite_database: Database, name: str, context: Context
) -> None:
    statement = f"SELECT text FROM {name}"
    part = literal_column(f"(SELECT max(text) FROM {name})")
    for wrong in (text(statement), select(part), select(copies).where(text(f"text IN ({statement})"))):
        with sqlite_database.reading(context) as session, pytest.raises(ValueError, match="names a protected table"):
            session.execute(wrong)


def test_a_protected_table_with_a_schema_is_refused_on_sqlite(sqlite_database: Database) -> None:
    own = Table("notes", MetaData(), Column("text", String), schema="main")
    with sqlite_database.reading(SOLOK) as session, pytest.raises(ValueError, match="with a schema"):
        session.execute(select(own.c.text))


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
        result = session.execute(update(notes).where(notes.c.number > 0).values(text="mine"))
        assert result.rowcount == 1  # type: ignore[attr-defined]
    assert _all(database) == ["mine", "note 2"]
    with database.transaction(PADANG) as session:
        result = session.execute(delete(notes))
        assert result.rowcount == 1  # type: ignore[attr-defined]
    assert _all(database) == ["mine"]


def test_a_row_cannot_move_to_another_institution(database: Database) -> None:
    with pytest.raises(DBAPIError), database.transaction(SOLOK) as session:
        session.execute(update(notes).values(institution_id=UUID(PADANG.institution)))
    with database.reading(PADANG) as session:
        assert session.scalars(select(notes.c.number)).all() == [2]


def test_a_statement_that_writes_reads_only_the_rows_of_its_institution(database: Database) -> None:
    with database.transaction(SOLOK) as session:
        session.execute(insert(copies).from_select(["text"], select(notes.c.text)))
        session.execute(insert(copies).from_select(["text"], select("again " + notes.c.text)))
        unread = select(notes.c.number).where(notes.c.number == 2)
        session.execute(update(copies).where(exists(unread)).values(text="read"))
        session.execute(delete(copies).where(unread.exists()))
        session.execute(
            update(copies).where(notes.c.number == 2, copies.c.text != notes.c.text).values(text=notes.c.text)
        )
    with database.reading(SOLOK) as session:
        assert session.scalars(select(copies.c.text).order_by(copies.c.text)).all() == ["again note 1", "note 1"]


def test_returned_rows_of_a_change_are_those_of_the_institution(database: Database) -> None:
    with database.transaction(PADANG) as session:
        assert session.scalars(update(notes).values(text="mine").returning(notes.c.number)).all() == [2]
        assert session.scalars(delete(notes).returning(notes.c.number)).all() == [2]
    assert _all(database) == ["note 1"]


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
        with database.reading(SYSTEM) as session:
            assert set(session.scalars(text(triggers))) == set(service.protected_tables)
        assert set(service.append_only) <= set(inspect(database.reader).get_table_names())


def test_a_statement_that_reads_or_changes_foreign_rows_is_found(sqlite_database: Database) -> None:
    with sqlite_database.transaction(SYSTEM) as session:
        for number in range(1, 5):
            _add(session, number, SOLOK)
    path, tables = str(sqlite_database.url.database), list(SERVICE.protected_tables)
    limited = str(select(notes.c.text).where(notes.c.number > 1).compile(sqlite_database.reader))
    check(path, tables, [(limited, (1,)), ("UPDATE notes SET text = ?", ("mine",)), ("DELETE FROM notes", ())])
    with pytest.raises(AssertionError, match="reads rows of another institution"):
        check(path, tables, [("SELECT text FROM notes WHERE number > ?", (1,))])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER notes_own_rows_change")
    with pytest.raises(AssertionError, match="changes rows of another institution"):
        check(path, tables, [("UPDATE notes SET text = ?", ("mine",))])
