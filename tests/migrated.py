"""Databases at their newest revision. SQLite is copied from one of the process, PostgreSQL from one of the whole run.

A migration takes longer than most tests: half of a second of CPU time on PostgreSQL, where a copy takes a twentieth.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Select,
    Table,
    create_engine,
    insert,
    literal_column,
    select,
    table,
    text,
)  # fmt: skip

from chassis.database.db import Database
from chassis.database.table_access import SET_INSTITUTION
from chassis.migrations.migrate import migrate
from chassis.service import Service, discover
from tests import servers
from tests.servers import state

# Variable with the name of a run of the tests, for the processes that it starts.
RUN = "RUN_OF_TESTS"
# A test waits this long for the tables of the test before, whose connections are closed.
LOCK_TIMEOUT = "10s"
# Deleted rows stay in a table; in one of more bytes, the next tests would read them again and again.
MOST_DELETED_BYTES = 1 << 20


def every_row(name: str) -> Select[*tuple[Any, ...]]:
    """Select all rows and columns of a table, as the driver returns them."""
    return select(literal_column("*")).select_from(table(name))


_files: dict[str, Path] = {}
_templates: dict[str, str] = {}


def start_run() -> None:
    """Name the run that this process begins, unless another one has; at its end it drops the databases of the run."""
    if RUN not in os.environ:
        os.environ[RUN] = f"run_{uuid.uuid4().hex[:12]}"
        atexit.register(_drop_templates)


def _drop_templates() -> None:
    with suppress(servers.NotRunning):
        for name in servers.databases(os.environ[RUN]):
            servers.drop_database(name)


def copy_migrated(service: Service, path: Path) -> None:
    """Put a migrated SQLite database of this service at a path; a process of tests migrates one and copies it."""
    if service.migrations not in _files:
        folder = Path(tempfile.mkdtemp(prefix="migrated-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        migrate(service, owner_url=f"sqlite:///{folder / path.name}")
        _files[service.migrations] = folder / path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_files[service.migrations], path)


def copy_all(folder: Path) -> None:
    """Put a migrated SQLite database of each service into a folder, as `rangkiang migrate` does."""
    for service in discover():
        copy_migrated(service, folder / f"{service.name}.db")


def create_migrated(service: Service, name: str) -> None:
    """Create a database of this service on PostgreSQL; a run of the tests migrates one, which the server copies."""
    if service.migrations not in _templates:
        _templates[service.migrations] = _template(service)
    servers.create_database(name, template=_templates[service.migrations])


def _template(service: Service) -> str:
    """Name of the run's migrated database of this service; the first process that needs it makes it."""
    start_run()
    name = f"{os.environ[RUN]}_{service.migrations.replace('.', '_')}"
    with (state.FOLDER / f"{service.migrations}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if name not in servers.databases(name):
            unfinished = f"{name}_"
            url = servers.create_database(unfinished)
            migrate(service, owner_url=servers.database_url(unfinished, owner=True), app_url=url)
            servers.rename_database(unfinished, name)
    return name


@contextmanager
def copied_databases(services: Sequence[Service], *, is_empty: bool = False) -> Iterator[dict[str, str]]:
    """Settings of migrated or empty databases on PostgreSQL, one of each service."""
    name = f"test_{uuid.uuid4().hex[:12]}_{{service}}"
    names = [name.format(service=service.name) for service in services]
    try:
        for service, database in zip(services, names, strict=True):
            if is_empty:
                servers.create_database(database)
            else:
                create_migrated(service, database)
        yield {"DATABASE_URL": servers.database_url(name), "DATABASE_OWNER_URL": servers.database_url(name, owner=True)}
    finally:
        for database in names:
            servers.drop_database(database)


@contextmanager
def copied_database(service: Service, folder: Path) -> Iterator[Database]:
    """Open a migrated SQLite database of this service, named after it, in a folder."""
    path = folder / f"{service.name}.db"
    copy_migrated(service, path)
    with closing(_open(service, f"sqlite:///{path}")) as database:
        yield database


# Of each service and kind of database, the first engine that a test opened.
_engines: dict[tuple[str, str], Engine] = {}


def _open(service: Service, url: str) -> Database:
    """Open a database that uses the statements that earlier ones of its service and kind have compiled.

    SQLAlchemy keeps them in each engine, by its dialect: tests with an engine of their own compiled each again.
    """
    database = Database(url, pool_size=8, protected_tables=service.protected_tables)
    key = service.name, database.url.get_backend_name()
    if key not in _engines:
        with database.writer.connect():
            pass  # the dialect asks the server for what it can do
        _engines[key] = database.writer
    first = _engines[key]
    for engine in (database.writer, database.reader):
        engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
    return database


class MigratedDatabases:
    """One SQLite file and one PostgreSQL database of each service that asks for them."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._emptied: dict[str, _Emptied] = {}

    @contextmanager
    def open(self, service: Service, kind: str, folder: Path) -> Iterator[Database]:
        """Open the service's database as its migrations leave it, for one test at a time.

        kind    "sqlite": a file in the folder; "postgresql": on the development servers
        """
        url = self._copy(service, folder) if kind == "sqlite" else self._empty(service)
        database = _open(service, url)
        try:
            yield database
        finally:
            database.close()
            if kind != "sqlite":
                self._emptied[service.name].empty()

    def urls(self) -> dict[str, str]:
        """Settings with the addresses of the databases on PostgreSQL."""
        name = f"{self._prefix}_{{service}}"
        return {
            "DATABASE_URL": servers.database_url(name),
            "DATABASE_OWNER_URL": servers.database_url(name, owner=True),
        }

    def close(self) -> None:
        """Drop the databases on the development servers."""
        for name, emptied in self._emptied.items():
            emptied.engine.dispose()
            servers.drop_database(f"{self._prefix}_{name}")

    def _copy(self, service: Service, folder: Path) -> str:
        path = folder / f"{service.name}.db"
        copy_migrated(service, path)
        return f"sqlite:///{path}"

    def _empty(self, service: Service) -> str:
        name = f"{self._prefix}_{service.name}"
        url, owner_url = servers.database_url(name), servers.database_url(name, owner=True)
        if service.name not in self._emptied:
            create_migrated(service, name)
            self._emptied[service.name] = _Emptied.of(create_engine(owner_url))
        return url


@dataclass
class _Emptied:
    """What the migrations wrote: rows of each table, in the order of foreign keys, and the last value of sequences."""

    engine: Engine
    rows: list[tuple[Table, Sequence[Any]]]
    sequences: dict[str, int | None]

    @classmethod
    def of(cls, engine: Engine) -> _Emptied:
        metadata = MetaData()
        with engine.begin() as connection:
            _write_for_all(connection)
            metadata.reflect(connection)
            rows = [(table, connection.execute(select(table)).mappings().all()) for table in metadata.sorted_tables]
            sequences = connection.execute(
                text("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'")
            )
            emptied = cls(engine, rows, {row.sequencename: row.last_value for row in sequences})
            # Rows without an order come in the order of their insertion, unless a vacuum has left space among them.
            for table in metadata.sorted_tables:
                connection.execute(text(f'ALTER TABLE "{table.name}" SET (autovacuum_enabled = false)'))
        return emptied

    def empty(self) -> None:
        """Leave the rows that the migrations wrote, and no other.

        Deleting a few rows takes a hundredth of the CPU time of TRUNCATE, which makes new files for a table and its
        indexes.
        """
        with self.engine.begin() as connection:
            _write_for_all(connection)
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # foreign keys are not checked
            connection.execute(text(self._lock))
            sizes = {row.name: row.bytes for row in connection.execute(text(self._sizes))}
            large = [f'"{name}"' for name, size in sizes.items() if size > MOST_DELETED_BYTES]
            if large:
                connection.execute(text("TRUNCATE " + ", ".join(large) + " CASCADE"))
            for name, size in sizes.items():
                if 0 < size <= MOST_DELETED_BYTES:
                    connection.execute(text(f'DELETE FROM "{name}"'))
            for table, rows in self.rows:
                if rows:
                    connection.execute(insert(table), [dict(row) for row in rows])
            if self.sequences:
                connection.execute(text(self._restart))

    @cached_property
    def _lock(self) -> str:
        return "LOCK TABLE " + ", ".join(f'"{table.name}"' for table, _ in self.rows)

    @cached_property
    def _sizes(self) -> str:
        """Read name and bytes of each table, 0 without rows."""
        names = [table.name for table, _ in self.rows]
        return " UNION ALL ".join(
            f"SELECT '{name}' AS name,"
            f' CASE WHEN EXISTS (SELECT FROM "{name}") THEN pg_table_size(\'"{name}"\') ELSE 0 END AS bytes'
            for name in names
        )

    @cached_property
    def _restart(self) -> str:
        """Set each sequence to its value."""
        return "SELECT " + ", ".join(
            f"setval('\"{sequence}\"', {value or 1}, {value is not None})" for sequence, value in self.sequences.items()
        )


def _write_for_all(connection: Connection) -> None:
    connection.execute(text(SET_INSTITUTION.format("'*'")))


def stored_bytes(database: Database) -> bytes:
    """Return what the files of a SQLite database have: the file, its log and the files beside them."""
    path = Path(database.url.database or "")
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*") if file.is_file())
