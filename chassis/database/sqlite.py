"""Engines of SQLite files, with the pragmas and the institution of each connection; erasure without traces."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session

from chassis.database.db_errors import translate_folder_error
from chassis.database.table_access import FUNCTION as INSTITUTION_FUNCTION
from chassis.database.table_access import limit_reads
from chassis.errors import Unavailable
from chassis.metrics import telemetry

RESTORING = ".restoring"  # ending of a file beside the database while `restore` has not ended
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", "cache_size=-16000")
LOG_WAIT_MS = 1_000  # for readers that still use the log, such as a backup
MAPPED_BYTES = 256 * 1024 * 1024  # part of the file that readers map, so that ten rows take 23 µs and not 33


class WriteLock:
    """Admits one writer of a SQLite file at a time, among all threads and processes.

    With SQLite's own busy waiting, or with attempts to lock a file, two processes of eight threads wait up to 1.8 s.
    The kernel admits processes that wait for `flock` in order.

    database  path of the file; `<database>.lock` beside it is locked
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._threads = threading.Lock()
        self._handle: int | None = None
        self._is_closed = False

    def acquire(self, seconds: float) -> None:
        """Wait for the lock. Raises TimeoutError after `seconds`."""
        end = time.monotonic() + seconds
        if not self._threads.acquire(timeout=max(0.0, seconds)):
            raise TimeoutError
        try:
            if self._handle is None:
                self._handle = self._open()
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                locked = self._wait(end - time.monotonic())
                os.close(self._handle)
                self._handle = locked
        except BaseException:
            self._threads.release()
            raise

    def release(self) -> None:
        if self._handle is not None:
            fcntl.flock(self._handle, fcntl.LOCK_UN)
            if self._is_closed:
                os.close(self._handle)
                self._handle = None
        self._threads.release()

    @contextmanager
    def hold(self, seconds: float) -> Iterator[None]:
        """Hold the lock in the block. Raises TimeoutError after `seconds`."""
        self.acquire(seconds)
        try:
            yield
        finally:
            self.release()

    def close(self) -> None:
        """Close the file; a writer that holds the lock closes it when it has ended."""
        self._is_closed = True
        if self._threads.acquire(blocking=False):
            self.release()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _wait(self, seconds: float) -> int:
        """Wait for other processes in a thread, because `flock` has no time limit. Returns the locked handle."""
        handle, locked = self._open(), Future[int]()

        def wait() -> None:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if locked.set_running_or_notify_cancel():
                locked.set_result(handle)
            else:
                os.close(handle)  # the writer has ended

        threading.Thread(target=wait, name="write-lock", daemon=True).start()
        try:
            return locked.result(max(0.0, seconds))
        except TimeoutError:
            if locked.cancel():
                raise
            return locked.result()


def open_engine(
    url: str, *, begin: str, pool_size: int, protected_tables: tuple[str, ...], creates: bool = True,
    mapped_bytes: int = 0,
) -> Engine:  # fmt: skip
    """Make an engine whose transactions begin with `begin`.

    creates           a missing file is created; else a connection raises Unavailable DATABASE_MISSING
    protected_tables  tables whose rows only their institution reads
    mapped_bytes      size of the part of the file that its connections map
    """
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=0, hide_parameters=True,  # parameters in errors may be personal
        connect_args={"check_same_thread": False, "timeout": 30},
    )  # fmt: skip

    telemetry.watch_sql(engine, event.listen)
    path = Path(engine.url.database or "")
    marker = Path(f"{path}{RESTORING}")

    @event.listens_for(engine, "do_connect")
    def _refuse_unusable(_dialect: Any, _record: Any, _arguments: Any, _options: Any) -> None:
        if marker.exists():
            raise Unavailable("RESTORE_UNFINISHED", database=str(path))
        if not creates:
            refuse_missing(path)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        information = record.info
        information["begin"] = begin
        connection.create_function(INSTITUTION_FUNCTION, 0, lambda: information.get("institution"))
        for pragma in (*PRAGMAS, f"mmap_size={mapped_bytes}"):
            connection.execute(f"PRAGMA {pragma}")

    # Not an event: with a listener of transactions or statements, SQLAlchemy calls six events for each statement.
    dialect: Any = engine.dialect
    dialect.do_begin = lambda connection: connection.execute(connection.info["begin"])
    if protected_tables:
        limit_reads(engine, protected_tables)
    return engine


def refuse_missing(path: Path) -> None:
    """Refuse a database file that does not exist, because nobody has prepared a library in its folder.

    raises  Unavailable  DATABASE_MISSING, FOLDER_UNUSABLE
    """
    with translate_folder_error(path.parent):
        try:
            path.stat()
        except FileNotFoundError:
            raise Unavailable("DATABASE_MISSING", folder=str(path.parent.absolute()), file=path.name) from None


def erase_traces(session: Session) -> None:
    """Let no part of the files keep what this transaction deletes, from its commit on; does nothing on PostgreSQL.

    SQLite overwrites deleted data, and the log, which has older versions of pages, is emptied. If a reader uses the log
    for longer than LOG_WAIT_MS, the daily job `tidy` empties it.
    """
    bind: Any = session.get_bind()
    if bind.dialect.name != "sqlite" or session.info.get("erases"):
        return
    session.info["erases"] = True
    session.execute(text("PRAGMA secure_delete = ON"))

    @event.listens_for(session, "after_commit")
    def _empty_log(_session: Session) -> None:
        if not session.in_nested_transaction():
            empty_log(Path(bind.url.database))


def empty_log(path: Path) -> bool:
    """Write the log of a database into its file and cut it to 0 bytes. Returns False if a reader still uses it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {LOG_WAIT_MS}")
        is_busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not is_busy
