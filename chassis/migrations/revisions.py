"""Compares the revision of a database with those of this release, in every process, before it reads or writes.

A database may be newer than a process, because `migrate` runs while the previous release serves. Each revision states
the oldest revision whose code works with it; older code refuses the database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from sqlalchemy import Column, Connection, String, Table, select, text

from chassis.database.db import Database, chassis_tables
from chassis.database.db_errors import translate_connection_errors, translate_errors
from chassis.errors import Unavailable
from chassis.service import Service

log = logging.getLogger(__name__)

CHECK_SECONDS = 60.0

# For each history, the newest revision, and the oldest one whose code reads and writes the database.
schema_support = Table(
    "schema_support",
    chassis_tables,
    Column("history", String(64), primary_key=True),
    Column("revision", String(32), nullable=False),
    Column("oldest", String(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class History:
    """One sequence of revisions in a database.

    package        has a file for each revision in `versions/`: <revision>_<noun>.py
    version_table  stores the current revision of the database
    """

    name: str
    package: str
    version_table: str

    @property
    def folder(self) -> Path:
        return Path(str(import_module(self.package).__file__)).parent

    def revisions(self) -> list[str]:
        """List the revisions of this release, oldest first; does not import them or Alembic."""
        files = (self.folder / "versions").glob("[!_]*.py")
        return sorted(file.stem.partition("_")[0] for file in files)

    def label(self, revision: str) -> str:
        return f"{self.name}/{revision}"


CHASSIS = History("chassis", "chassis.migrations", "chassis_revision")


def histories(service: Service) -> tuple[History, History]:
    """Return the chassis' history and the service's, in the order of their application."""
    return CHASSIS, History(service.name, service.migrations, "alembic_version")


class RevisionGuard:
    """Compares revisions before the first statement on a database, and then every minute.

    due_at     `time.monotonic()` from which the next statement compares revisions first
    refusal    the error, if the database is too new for this process
    """

    def __init__(self, service: Service) -> None:
        self.due_at = 0.0
        self.refusal: Unavailable | None = None
        self._histories = {history: history.revisions() for history in histories(service)}
        self._lock = threading.Lock()
        self._is_known = False
        self._newer = ""
        self._on_refusal: list[Callable[[], object]] = []

    def on_refusal(self, call: Callable[[], object]) -> None:
        """Register a function to call if the database becomes too new and this process must end."""
        self._on_refusal.append(call)

    def raise_refusal(self) -> None:
        """Raise the error for which this process ended, if any. Raises Unavailable DATABASE_NEWER."""
        if self.refusal is not None:
            raise self.refusal

    def check(self, database: Database) -> None:
        """Compare the revisions; one thread at a time does it.

        raises  Unavailable  DATABASE_NEWER, DATABASE_NOT_MIGRATED, DATABASE_UNAVAILABLE
        """
        with self._lock:
            if time.monotonic() < self.due_at:
                return
            if self._is_known:
                self.due_at = time.monotonic() + CHECK_SECONDS
            else:
                self._compare(database)
                return
        try:
            self._compare(database)
        except Unavailable:
            self.due_at = 0.0
            raise

    def _compare(self, database: Database) -> None:
        with translate_errors(), translate_connection_errors(), database.reader.connect() as connection:
            for history, revisions in self._histories.items():
                current = current_revision(history, connection)
                if current not in revisions:
                    self._accept_newer(history, current, connection)
                elif current != revisions[-1]:
                    raise Unavailable("DATABASE_NOT_MIGRATED")
        self._is_known, self.due_at = True, time.monotonic() + CHECK_SECONDS

    def _accept_newer(self, history: History, current: str, connection: Connection) -> None:
        try:
            refuse_unsupported(history, current, connection)
        except Unavailable as refusal:
            is_first = self.refusal is None
            self._is_known, self.due_at, self.refusal = False, 0.0, refusal
            for call in self._on_refusal if is_first else ():
                call()
            raise
        if self._newer != current:
            self._newer = current
            log.info("database_newer", extra={"revision": history.label(current)})


def watch(database: Database, end: Callable[[], object]) -> None:
    """Refuse a database that is too new, now or by a later call of `end`; then call `database.guard.raise_refusal()`.

    If the database does not answer or is not migrated yet, the process does not end, but it is not ready.

    raises  Unavailable  DATABASE_NEWER, DATABASE_MISSING
    """
    if database.guard is None:
        return
    try:
        database.check_revisions()
    except Unavailable as problem:
        if problem.reason in ("DATABASE_NEWER", "DATABASE_MISSING"):
            raise
    database.guard.on_refusal(end)


def current_revision(history: History, connection: Connection) -> str:
    """Return the revision of the database; "" when none is applied yet."""
    revision = connection.scalar(text(f"SELECT version_num FROM {history.version_table}"))  # noqa: S608
    return "" if revision is None else str(revision)


def refuse_unsupported(history: History, current: str, connection: Connection) -> None:
    """Refuse a revision that this release does not have, unless it states that this release's code works with it.

    raises  Unavailable  DATABASE_NEWER, DATABASE_NOT_MIGRATED
    """
    if not current:
        raise Unavailable("DATABASE_NOT_MIGRATED")
    row = connection.execute(select(schema_support).where(schema_support.c.history == history.name)).first()
    if row is None or row.revision != current or row.oldest not in history.revisions():
        raise Unavailable("DATABASE_NEWER", revision=history.label(current))
