"""Copies of all databases of an installation as of one moment, while services run.

An event that one database publishes and another handles must be in both copies or in neither. So the writers of all
databases wait while one snapshot of each is opened; they continue while the snapshots are copied.
"""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.pool import NullPool

from chassis.database.db import read_url
from chassis.database.db_errors import LOCK_NOT_AVAILABLE
from chassis.database.sqlite import RESTORING, WriteLock, refuse_missing
from chassis.database.table_access import SETTING
from chassis.errors import Unavailable
from chassis.migrations.revisions import histories
from chassis.service import Service
from chassis.settings import Settings, environment_with

log = logging.getLogger(__name__)

LOCKED_SECONDS = 0.1  # longest wait of writers
WAIT_SECONDS = 600.0  # longest wait for a moment without open transactions
LOGGED_AFTER_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 3.0
PAGES = 1_000  # in one step of SQLite's copy
POLL_SECONDS = 0.2
# Every transaction that publishes or handles an event writes one of these tables.
FACTS = "outbox, inbox"

# Called with the number of bytes copied so far.
Progress = Callable[[int], None]


class Source(Protocol):
    """One database to back up."""

    service: Service
    kind: str  # "sqlite" or "postgresql"
    file: str  # name of its file in a backup
    bytes: int  # approximate size of the copy
    revisions: dict[str, str]  # history -> revision
    form: dict[str, str]  # encoding and collation, on PostgreSQL

    def lock(self, seconds: float) -> Any:
        """During the block, no transaction that publishes or handles an event is open. Raises TimeoutError."""
        ...

    def open(self) -> None:
        """Open the snapshot for `copy`; a second call opens a newer one."""
        ...

    def copy(self, path: Path, progress: Progress) -> None:
        """Write the snapshot to a new file. Raises Unavailable BACKUP_FAILED, DATABASE_FILE_UNUSABLE, DISK_FULL."""
        ...

    def close(self) -> None: ...


def source_of(service: Service, settings: Settings) -> Source:
    """Open the database of a service for a backup.

    raises  Unavailable  DATABASE_NOT_MIGRATED, BACKUP_FAILED, DATABASE_FILE_UNUSABLE, RESTORE_UNFINISHED
    """
    url = read_url(settings.database_owner(service.name))
    if url.get_backend_name() == "sqlite":
        return SqliteSource(service, Path(url.database or ""))
    return PostgresSource(service, url)


def open_all(sources: Sequence[Source]) -> float:
    """Open one snapshot of each database at one moment. Returns the seconds for which writers had to wait.

    The locks are held for at most LOCKED_SECONDS. If one of them is not free in this time, all are released, and the
    next attempt waits for that one first.

    raises  Unavailable  DATABASE_BUSY
    """
    order, end, pause = list(sources), time.monotonic() + WAIT_SECONDS, LOCKED_SECONDS
    logged_at = end - WAIT_SECONDS + LOGGED_AFTER_SECONDS
    while True:
        missing = order[0]
        with ExitStack() as stack:
            try:
                stack.enter_context(missing.lock(max(0.0, end - time.monotonic())))
                began = time.monotonic()
                for missing in order[1:]:
                    stack.enter_context(missing.lock(began + LOCKED_SECONDS - time.monotonic()))
                for source in order:
                    source.open()
                    if time.monotonic() > began + LOCKED_SECONDS:
                        raise TimeoutError
                return time.monotonic() - began
            except TimeoutError:
                if time.monotonic() >= end:
                    raise Unavailable("DATABASE_BUSY") from None
        if time.monotonic() > logged_at:
            log.warning("backup_waits", extra={"service": missing.service.name, "seconds": WAIT_SECONDS})
            logged_at = end
        order.remove(missing)
        order.insert(0, missing)
        time.sleep(random.uniform(pause / 2, pause))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


class SqliteSource:
    """A SQLite file; its snapshot is an open read transaction in WAL."""

    kind = "sqlite"

    def __init__(self, service: Service, path: Path) -> None:
        self.service, self.file, self._path = service, f"{service.name}.db", path
        self.form: dict[str, str] = {}
        self.revisions: dict[str, str] = {}
        if path.with_name(path.name + RESTORING).exists():
            raise Unavailable("RESTORE_UNFINISHED", database=str(path))
        refuse_missing(path)
        self._write_lock = WriteLock(path)
        with sqlite_errors():
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
            self._connection.execute("PRAGMA busy_timeout=30000")
            # Reads the file before any lock, because the first read may take time.
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            (page_bytes,) = self._connection.execute("PRAGMA page_size").fetchone()
        self.bytes = pages * page_bytes

    def lock(self, seconds: float) -> Any:
        return self._write_lock.hold(seconds)

    def open(self) -> None:
        with sqlite_errors():
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()

    def copy(self, path: Path, progress: Progress) -> None:
        with sqlite_errors():
            self.revisions = _revisions(self.service, lambda query: self._connection.execute(query).fetchone())
            target = sqlite3.connect(path, isolation_level=None)
            try:
                # Safe, because an incomplete copy is deleted, and the whole file is synced at the end.
                target.execute("PRAGMA journal_mode=OFF")
                target.execute("PRAGMA synchronous=OFF")
                # On the connection with the open read transaction, so that the pages are those of its snapshot. On
                # another connection SQLite would begin again after each write.
                self._connection.backup(
                    target,
                    pages=PAGES,
                    progress=lambda _status, left, total: progress(self.bytes * (total - left) // max(1, total)),
                )
            finally:
                target.close()
            self._connection.execute("ROLLBACK")
            check_file(path)

    def close(self) -> None:
        self._connection.close()
        self._write_lock.close()


def check_file(path: Path) -> None:
    """Check a SQLite file that no process writes. Raises Unavailable DATABASE_FILE_UNUSABLE."""
    with sqlite_errors():
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)
        try:
            (result,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        finally:
            connection.close()
    if result != "ok":
        raise Unavailable("DATABASE_FILE_UNUSABLE", why=result)


@contextmanager
def sqlite_errors() -> Iterator[None]:
    """Raise errors of the driver as Unavailable: DISK_FULL, DATABASE_NOT_MIGRATED, DATABASE_FILE_UNUSABLE."""
    try:
        yield
    except sqlite3.Error as problem:
        why = str(problem)
        if "is full" in why:
            raise Unavailable("DISK_FULL") from problem
        if "no such table" in why:
            raise Unavailable("DATABASE_NOT_MIGRATED") from problem
        raise Unavailable("DATABASE_FILE_UNUSABLE", why=why) from problem


class PostgresSource:
    """A PostgreSQL database; its snapshot is exported, and pg_dump copies it."""

    kind = "postgresql"

    def __init__(self, service: Service, url: URL) -> None:
        self.service, self.file, self._url = service, f"{service.name}.dump", url
        self.form: dict[str, str] = {}
        self.revisions: dict[str, str] = {}
        self.snapshot = ""
        # No limit for idle transactions, because that of the snapshot is idle while pg_dump copies.
        options = {"connect_timeout": 10, "options": "-c idle_in_transaction_session_timeout=0"}
        self._engine = create_engine(url, poolclass=NullPool, connect_args=options)
        self._stack = ExitStack()
        with server_errors(service):
            self._locks = self._stack.enter_context(self._engine.connect())
            self._reader = self._stack.enter_context(self._engine.connect())
            self._reader = self._reader.execution_options(isolation_level="REPEATABLE READ")
            self.bytes = int(self._reader.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
            row = self._reader.exec_driver_sql(_FORM).mappings().one()
            self._reader.rollback()
        self.form = {name: str(value) for name, value in row.items()}

    @contextmanager
    def lock(self, seconds: float) -> Iterator[None]:
        # Writers queue behind a waiting lock, so it must not wait longer than writers may.
        wait = int(1000 * min(seconds, LOCKED_SECONDS))
        if wait <= 0:
            raise TimeoutError
        try:
            with server_errors(self.service):
                self._locks.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": f"{wait}ms"})
                self._locks.exec_driver_sql(f"LOCK TABLE {FACTS} IN SHARE MODE")
            yield
        finally:
            self._locks.rollback()

    def open(self) -> None:
        with server_errors(self.service):
            self._reader.rollback()
            self.snapshot = str(self._reader.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())

    def copy(self, path: Path, progress: Progress) -> None:
        with server_errors(self.service):
            self.revisions = _revisions(self.service, lambda query: self._reader.exec_driver_sql(query).one_or_none())
        command = ["pg_dump", "--format=custom", "--enable-row-security", f"--snapshot={self.snapshot}"]
        command += ["--lock-wait-timeout=60s", f"--file={path}"]
        run_tool(command, self._url, progress=lambda: progress(path.stat().st_size if path.exists() else 0))
        self._reader.rollback()

    def close(self) -> None:
        self._stack.close()
        self._engine.dispose()


_FORM = (
    "SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collation, datctype AS ctype"
    " FROM pg_database WHERE datname = current_database()"
)


@contextmanager
def server_errors(service: Service) -> Iterator[None]:
    """Raise errors of PostgreSQL as Unavailable DATABASE_NOT_MIGRATED or BACKUP_FAILED.

    raises  TimeoutError  a lock was not free in time
    """
    try:
        yield
    except DBAPIError as problem:
        if getattr(problem.orig, "sqlstate", "") == LOCK_NOT_AVAILABLE:
            raise TimeoutError from problem
        why = first_line(str(problem.orig))
        if isinstance(problem, ProgrammingError) and "does not exist" in why:
            raise Unavailable("DATABASE_NOT_MIGRATED") from problem
        raise Unavailable("BACKUP_FAILED", service=service.name, why=why) from problem


def run_tool(command: Sequence[str], url: URL, *, progress: Callable[[], None] = lambda: None) -> None:
    """Run a program of PostgreSQL on a database, with every row of all institutions.

    progress  called several times a second
    raises    Unavailable  BACKUP_FAILED, with the message of the program
    """
    # A local import, because the embedded edition starts without psycopg.
    from psycopg.conninfo import make_conninfo

    _, options = url.get_dialect()().create_connect_args(url)
    # Not as an argument, because other users of the machine can read arguments.
    environment = environment_with(PGPASSWORD=str(options.pop("password", "")), PGOPTIONS=f"-c {SETTING}=*")
    command = [*command, f"--dbname={make_conninfo(**options)}"]
    try:
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as program:
            while True:
                try:
                    _, errors = program.communicate(timeout=POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    progress()
    except FileNotFoundError:
        raise Unavailable("PROGRAM_MISSING", program=command[0]) from None
    if program.returncode:
        raise Unavailable("BACKUP_FAILED", service=str(url.database), why=first_line(errors))


def first_line(message: str) -> str:
    return next(iter(message.strip().splitlines()), "")


def _revisions(service: Service, read: Callable[[str], Any]) -> dict[str, str]:
    """Read the revision of each history. Raises the driver's error when a table is missing."""
    rows = {
        history.name: read(f"SELECT version_num FROM {history.version_table}")  # noqa: S608
        for history in histories(service)
    }
    return {name: "" if row is None else str(row[0]) for name, row in rows.items()}


def sync(path: Path) -> None:
    """Sync a file, or the entries of a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
