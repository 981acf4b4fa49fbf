"""`rangkiang restore`: prepares a new database from each copy of a backup, then replaces all databases.

Until then the old databases do not change. On PostgreSQL they are replaced in one transaction. On SQLite they are
replaced by a few renames; a file beside each database makes every process refuse it until all are done
(RESTORE_UNFINISHED).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol, Self

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from chassis.context import system
from chassis.database.db import read_url
from chassis.database.sqlite import RESTORING
from chassis.errors import Invalid, Unavailable
from chassis.jobs.job_runs import REFILL, record_backup, record_start
from chassis.jobs.jobs import jobs_of
from chassis.jobs.lease import holder_of
from chassis.migrations.migrate import migrate
from chassis.operations.backup_manifest import Archive, Copy, Manifest, check_release, digest_of, read
from chassis.operations.snapshots import check_file, first_line, run_tool, sync
from chassis.output import bar_for
from chassis.service import Erasure, Resources, Service
from chassis.settings import Settings
from chassis.urls import resolve

log = logging.getLogger(__name__)

RESTORE = system("restore")
NEW, REPLACED = ".new", ".replaced"  # endings of a new SQLite file, and of a replaced one
IN_USE = "55006"  # PostgreSQL's SQLSTATE when a database has other sessions


class Target(Protocol):
    """One database to restore."""

    service: Service

    def __init__(self, service: Service, settings: Settings) -> None: ...

    def refuse_server(self) -> None:
        """Raise Unavailable SERVER_RUNNING if a process uses the database."""
        ...

    def is_empty(self) -> bool:
        """Return True if the database does not exist or has no tables."""
        ...

    def is_unfinished(self) -> bool:
        """Return True if an earlier restore of the database did not end."""
        ...

    def prepare(self, source: Path, copy: Copy, progress: Callable[[int], None]) -> str:
        """Make the new database beside the old one. Returns its URL. Raises Unavailable BACKUP_DAMAGED …"""
        ...

    def discard(self) -> None:
        """Delete the database that `prepare` made."""
        ...

    @classmethod
    def exchange(cls, targets: Sequence[Self]) -> list[str]:
        """Replace the old databases by the new ones. Returns the names of the old databases, which are kept."""
        ...


def restore_backup(
    settings: Settings, services: Sequence[Service], folder: Path, *, replace: bool, quiet: bool
) -> tuple[Manifest, list[str]]:
    """Replace the databases of these services by those of a backup, and migrate them if the backup is older.

    returns  the manifest of the backup, and the names of the replaced databases, which are kept
    raises   Invalid      BACKUP_NOT_FOUND, BACKUP_OTHER_EDITION, DATABASE_NOT_EMPTY
             Unavailable  BACKUP_DAMAGED, BACKUP_NEWER, SERVER_RUNNING, DISK_FULL, BACKUP_FAILED
             and the errors of `migrate`; after any of these, nothing has changed
    """
    manifest = read(folder)
    check_release(manifest, list(services))
    kind = read_url(settings.database(services[0].name)).get_backend_name()
    for copy in manifest.databases:
        if copy.kind != kind:
            raise Invalid("BACKUP_OTHER_EDITION", kind=copy.kind, ours=kind)
    form: type[Target] = SqliteTarget if kind == "sqlite" else PostgresTarget
    targets = {service.name: form(service, settings) for service in services}
    # After an unfinished restore, each database is either of that backup or was going to be replaced.
    replace = replace or any(target.is_unfinished() for target in targets.values())
    for name, target in targets.items():
        target.refuse_server()
        is_copied = any(copy.service == name for copy in manifest.databases)
        if not target.is_empty() and not (replace and is_copied):
            raise Invalid("DATABASE_NOT_EMPTY" if is_copied else "BACKUP_LACKS_DATABASE", service=name)
    erasures = tuple(_known_erasures(settings, services))
    chosen = [(targets[copy.service], copy) for copy in manifest.databases]
    try:
        for target, copy in chosen:
            _prepare(target, copy, folder, settings, manifest, erasures, quiet=quiet)
        replaced = form.exchange([target for target, _ in chosen])
    except BaseException:
        for target, _ in chosen:
            target.discard()
        raise
    return manifest, replaced


def restore_settings(folder: Path, target: Path) -> list[str]:
    """Write the files of settings of a backup below a folder, where each has its former path. Returns the files.

    raises  Invalid      BACKUP_NOT_FOUND, BACKUP_LACKS_SETTINGS
            Unavailable  BACKUP_DAMAGED, FOLDER_UNUSABLE
    """
    archive = read(folder).settings
    if archive is None:
        raise Invalid("BACKUP_LACKS_SETTINGS")
    path = folder / archive.file
    _check_copy(path, archive)
    with zipfile.ZipFile(path) as files:
        try:
            files.extractall(target)
        except OSError as problem:
            raise Unavailable("FOLDER_UNUSABLE", folder=str(target), why=problem.strerror or "") from None
        return [str(target / name) for name in files.namelist()]


def _check_copy(path: Path, copy: Copy | Archive) -> None:
    if not path.is_file() or path.stat().st_size != copy.bytes or digest_of(path) != copy.sha256:
        raise Unavailable("BACKUP_DAMAGED", file=copy.file)


def _known_erasures(settings: Settings, services: Sequence[Service]) -> Iterator[Erasure]:
    """Yield the erasures that the databases in use have stored; skips databases that are missing or unreadable."""
    for service in services:
        url = read_url(settings.database(service.name))
        is_file = url.get_backend_name() == "sqlite"
        if not service.erasures or (is_file and not Path(url.database or "").exists()):
            continue
        try:
            # With the owner's role, because the role of a service reads only its own database.
            owner_url = settings.database_owner(service.name)
            database = service.open_database(settings, any_revision=True, url=owner_url)
            with closing(database), database.reading(RESTORE) as session:
                erasures: list[Erasure] = list(resolve(service.erasures)(session))
        except (Unavailable, DBAPIError) as problem:
            log.warning("erasures_unreadable", extra={"service": service.name, "why": type(problem).__name__})
            continue
        yield from erasures


def _prepare(
    target: Target, copy: Copy, folder: Path, settings: Settings, manifest: Manifest, erasures: tuple[Erasure, ...],
    *, quiet: bool,
) -> None:  # fmt: skip
    """Make the new database: copy, check and migrate it, and run the service's `after_restore`."""
    source = folder / copy.file
    _check_copy(source, copy)
    with bar_for(quiet=quiet, in_bytes=True) as bar:
        task = bar.add_task(copy.service, total=copy.bytes, note="")
        url = target.prepare(source, copy, lambda done: bar.update(task, completed=done))
        bar.update(task, completed=copy.bytes)
    service = target.service
    migrate(service, owner_url=url, app_url=settings.database(service.name))
    with closing(service.open_database(settings, any_revision=True, url=url)) as database:
        with database.transaction(RESTORE) as session:
            record_backup(session, manifest.moment)
            if copy.kind == "postgresql":
                # Events that were in the broker and not yet handled are in no database, so the copies of other
                # services' rows are filled again at the first start. Events of the local bus are in the consumer's
                # database.
                record_start(session, REFILL)
        resources = Resources(settings=settings, database=database, service=service, erasures=erasures)
        for dotted in service.after_restore:
            resolve(dotted)(resources)


class SqliteTarget:
    """A SQLite file to restore, with the new file during preparation and the replaced file."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self.service = service
        self._settings = settings
        self._url = read_url(settings.database(service.name))
        self.path = Path(self._url.database or "").absolute()
        self.new, self.marker = self._sibling(NEW), self._sibling(RESTORING)
        self.replaced = self._sibling(REPLACED)

    def _sibling(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def refuse_server(self) -> None:
        # Reads only leases, because the file may be missing.
        with closing(self.service.open_database(self._settings, any_revision=True)) as database:
            resources = Resources(settings=self._settings, database=database, service=self.service)
            for role in {job.lease for job in jobs_of(resources)}:
                if holder := holder_of(database, role):
                    raise Unavailable("SERVER_RUNNING", database=str(self.path), holder=holder)

    def is_empty(self) -> bool:
        return not self.path.exists() or not self.path.stat().st_size

    def is_unfinished(self) -> bool:
        return self.marker.exists()

    def prepare(self, source: Path, copy: Copy, progress: Callable[[int], None]) -> str:
        self._delete_new()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        disk = os.statvfs(self.path.parent)
        free = disk.f_bavail * disk.f_frsize
        if free < copy.bytes:
            raise Unavailable(
                "DISK_FULL", folder=str(self.path.parent), free_mb=free // 1024**2, need_mb=copy.bytes // 1024**2 + 1
            )
        handle = os.open(self.new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with source.open("rb") as reader, os.fdopen(handle, "wb") as writer:
            while piece := reader.read(1 << 20):
                writer.write(piece)
                progress(reader.tell())
        if digest_of(self.new) != copy.sha256:
            raise Unavailable("BACKUP_DAMAGED", file=copy.file)
        check_file(self.new)
        return self._url.set(database=str(self.new)).render_as_string(hide_password=False)

    def discard(self) -> None:
        # The marker stays, because it shows that files are being replaced, which only a restore can complete.
        self._delete_new()

    def _delete_new(self) -> None:
        for path in (*_with_side_files(self.new), self._sibling(f"{NEW}.lock")):
            path.unlink(missing_ok=True)

    @classmethod
    def exchange(cls, targets: Sequence[Self]) -> list[str]:
        for target in targets:
            target.refuse_server()
            sync(target.new)
            target._sibling(f"{NEW}.lock").unlink(missing_ok=True)
            for path in _with_side_files(target.replaced):
                path.unlink(missing_ok=True)
        was_unfinished = any(target.marker.exists() for target in targets)
        for target in targets:
            target.new.replace(target.marker)
            sync(target.path.parent)
        try:
            for target in targets:
                target._refuse_open()
        except Unavailable:
            for target in targets if not was_unfinished else ():
                target.marker.unlink()
            raise
        return [str(target.replaced) for target in targets if target._exchange()]

    def _refuse_open(self) -> None:
        """Raise Unavailable SERVER_RUNNING if a process has the file open; else write its WAL into the file."""
        if not self.path.exists():
            return
        try:
            connection = sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True, timeout=1)
            with closing(connection):
                # SQLite leaves WAL mode only if no other connection is open.
                connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as problem:
            if "locked" in str(problem):
                raise Unavailable("SERVER_RUNNING", database=str(self.path), holder="?") from None
        except sqlite3.DatabaseError:
            pass  # a damaged file may be replaced

    def _exchange(self) -> bool:
        was_there = self.path.exists()
        for old, kept in zip(_with_side_files(self.path), _with_side_files(self.replaced), strict=True):
            if old.exists():
                old.replace(kept)
        self.marker.replace(self.path)
        sync(self.path.parent)
        return was_there


def _with_side_files(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm", "-journal")]


class PostgresTarget:
    """A PostgreSQL database to restore, with the new database during preparation and the replaced one."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self.service = service
        self.url = read_url(settings.database_owner(service.name))
        self.name = str(self.url.database)
        self.new, self.replaced = f"{self.name}_restoring", f"{self.name}_replaced"
        self._is_kept = True  # the old database will be kept

    def refuse_server(self) -> None:
        with maintenance(self.url) as connection:
            row = connection.execute(_SESSIONS, {"name": self.name}).first()
        if row is not None:
            raise Unavailable("SERVER_RUNNING", database=self.name, holder=f"{row.usename}, PID {row.pid}")

    def exists(self, connection: Connection) -> bool:
        return connection.execute(_EXISTS, {"name": self.name}).first() is not None

    def is_empty(self) -> bool:
        with maintenance(self.url) as connection:
            if not self.exists(connection):
                return True
        with maintenance(self.url, self.name) as connection:
            self._is_kept = connection.exec_driver_sql(_TABLES).first() is not None
        return not self._is_kept

    def is_unfinished(self) -> bool:
        return False

    def prepare(self, source: Path, copy: Copy, progress: Callable[[int], None]) -> str:
        form = {name: value.replace("'", "''") for name, value in copy.form.items()}
        with maintenance(self.url) as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{self.new}" WITH (FORCE)')
            connection.exec_driver_sql(
                f"CREATE DATABASE \"{self.new}\" TEMPLATE template0 ENCODING '{form['encoding']}'"
                f" LC_COLLATE '{form['collation']}' LC_CTYPE '{form['ctype']}'"
            )
        url = self.url.set(database=self.new)
        # Without grants, because `migrate` grants access to this installation's role.
        command = ["pg_restore", "--no-owner", "--no-acl", "--exit-on-error", "--single-transaction", str(source)]
        run_tool(command, url)
        progress(copy.bytes)
        return url.render_as_string(hide_password=False)

    def discard(self) -> None:
        with maintenance(self.url) as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{self.new}" WITH (FORCE)')

    @classmethod
    def exchange(cls, targets: Sequence[Self]) -> list[str]:
        """Rename all databases in one transaction; PostgreSQL allows it, because names are rows of one table."""
        old = []
        with maintenance(targets[0].url) as connection:
            for target in targets:
                connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{target.replaced}"')
            connection.exec_driver_sql("BEGIN")
            for target in targets:
                if target.exists(connection):
                    connection.exec_driver_sql(f'ALTER DATABASE "{target.name}" RENAME TO "{target.replaced}"')
                    old.append(target)
                connection.exec_driver_sql(f'ALTER DATABASE "{target.new}" RENAME TO "{target.name}"')
            connection.exec_driver_sql("COMMIT")
            for target in old:
                if not target._is_kept:
                    connection.exec_driver_sql(f'DROP DATABASE "{target.replaced}"')
        return [target.replaced for target in old if target._is_kept]


_SESSIONS = text(
    "SELECT usename, pid FROM pg_stat_activity"
    " WHERE datname = :name AND usename IS NOT NULL AND pid <> pg_backend_pid() LIMIT 1"
)
_EXISTS = text("SELECT 1 FROM pg_database WHERE datname = :name")
_TABLES = "SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LIMIT 1"


@contextmanager
def maintenance(url: URL, database: str = "postgres") -> Iterator[Connection]:
    """Open a connection that commits each statement, to the maintenance database, which every server has.

    raises  Unavailable  SERVER_RUNNING, BACKUP_FAILED
    """
    engine = create_engine(
        url.set(database=database),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={"connect_timeout": 10},
    )
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as problem:
        why = first_line(str(problem.orig))
        if getattr(problem.orig, "sqlstate", "") == IN_USE:
            raise Unavailable("SERVER_RUNNING", database=str(url.database), holder="?") from problem
        raise Unavailable("BACKUP_FAILED", service=str(url.database), why=why) from problem
