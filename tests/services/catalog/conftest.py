"""A migrated catalogue of the test's own, on SQLite and on PostgreSQL, and imports into it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from chassis.context import system
from chassis.db import Database
from chassis.migrate import migrate
from services.catalog.importing.decode import Rejected
from services.catalog.importing.pipeline import Counts, Import
from services.catalog.index.installation import open_index_at
from services.catalog.index.port import Index
from services.catalog.marc.record import Record
from services.catalog.service import SERVICE
from tests import servers as development
from tests.builders import iso
from tests.conftest import fresh_name

# A test waits this long for the tables of the test before, whose connections are closed.
LOCK_TIMEOUT = "10s"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file at its newest revision, for copies: a migration takes ten times as long as many a test."""
    path = tmp_path_factory.mktemp("migrated") / "catalog.db"
    migrate(SERVICE, owner_url=f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_name(servers: dict[str, str]) -> Iterator[str]:
    """Name of a PostgreSQL database at its newest revision, which the tests of one process use in turn."""
    name = fresh_name()
    development.create_database(name)
    migrate(SERVICE, owner_url=development.database_url(name, owner=True), app_url=development.database_url(name))
    yield name
    development.drop_database(name)


@pytest.fixture
def emptied_name(migrated_name: str) -> Iterator[str]:
    """The same, without a row that its migrations did not write."""
    engine = create_engine(development.database_url(migrated_name, owner=True))
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        written = {table for table in tables if connection.scalar(text(f"SELECT EXISTS (SELECT FROM {table})"))}
        sequences = connection.scalars(text("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")).all()
    yield migrated_name
    with engine.begin() as connection:
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"TRUNCATE {', '.join(sorted(set(tables) - written))}"))
        for sequence in sequences:
            connection.execute(text(f"ALTER SEQUENCE {sequence} RESTART"))
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The catalogue's own database, empty, at its newest revision."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "catalog.db")
        url = f"sqlite:///{tmp_path}/catalog.db"
    else:
        url = development.database_url(request.getfixturevalue("emptied_name"))
    database = Database(url, pool_size=8, protected_tables=SERVICE.protected_tables)
    yield database
    database.close()


@dataclass
class Importer:
    """Imports as the command does, without a terminal. problems: rejected records and warnings of the last import."""

    database: Database
    problems: list[Rejected] = field(default_factory=list)

    def __call__(
        self,
        content: bytes | Path | Iterable[Record],
        *,
        source: str = "TEST",
        dry_run: bool = False,
        on_progress: Callable[[object], None] = lambda _: None,
    ) -> Counts:
        self.problems.clear()
        files, stdin = (
            ([content], io.BytesIO()) if isinstance(content, Path) else ([Path("-")], io.BytesIO(_bytes(content)))
        )
        run = Import(
            self.database,
            system("test"),
            source=source,
            institution="PKS",
            files=files,
            processes=0,
            stdin=stdin,
            dry_run=dry_run,
            on_progress=on_progress,
            report=self.problems.append,
        )
        return run.run()

    @property
    def reasons(self) -> list[str]:
        return [problem.reason for problem in self.problems]


def _bytes(content: bytes | Iterable[Record]) -> bytes:
    return content if isinstance(content, bytes) else iso(content)


@pytest.fixture
def import_(database: Database) -> Importer:
    return Importer(database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path, database: Database) -> Iterator[Index]:
    index = open_index_at(f"tantivy:///{folder}", database)
    yield index
    index.close()
