"""Applies the missing revisions to a service's database: forward only, all or none, one migration at a time.

A database has two histories: first the chassis' own tables, then the service's. Each has its own version table.
Alembic is imported only when a revision is missing: it takes a quarter of a second at each start of `up`.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, delete, insert, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DatabaseError, OperationalError, ProgrammingError

from chassis import audit, clock
from chassis.database.db import Database, read_url
from chassis.database.db_errors import refuse_unusable_file
from chassis.database.table_access import SET_INSTITUTION, grant, limit_connections, refuse_changes
from chassis.errors import Conflict, Unavailable
from chassis.jobs.job_runs import LAST_BACKUP, NO_BACKUP, job_runs
from chassis.migrations.revisions import (
    CHASSIS,
    History,
    current_revision,
    histories,
    refuse_unsupported,
    schema_support,
)
from chassis.service import Service

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

LOCK = 0x52414E47  # "RANG": one migration at a time in a database
CONNECT_SECONDS = 2
# A migration that waits longer for a table in use rolls back and begins again, because readers queue behind its lock.
# Less than a second, because after a second PostgreSQL checks for deadlocks and may end the other transaction.
LOCK_TIMEOUT = "100ms"
BLOCKED_SECONDS = 60.0  # in which attempts are repeated


def migrate(service: Service, *, owner_url: str, app_url: str = "") -> list[str]:
    """Apply the missing revisions of both histories in one transaction.

    owner_url  URL of the role that owns the tables; on PostgreSQL a missing database is created
    app_url    URL of the running service's role, which gets the grants for the service
    returns    applied revisions as "chassis/0001" or "<service>/0001", oldest first
    raises     Unavailable  MIGRATION_BLOCKED, MIGRATION_FAILED, DATABASE_FILE_UNUSABLE, and the errors of read_url
                            DATABASE_NEWER; nothing was changed
               Conflict     TABLES_DIFFER
    """
    url = read_url(owner_url)
    if url.get_backend_name() == "sqlite":
        database = Database(owner_url)
        try:
            with database.writer.begin() as connection:
                connection.info["institution"] = "*"
                applied = _upgrade(service, connection)
                refuse_changes(connection, (*service.append_only, *audit.APPEND_ONLY))
                return applied
        except DatabaseError as problem:
            refuse_unusable_file(problem)
            raise
        finally:
            database.close()
    try:
        _create_database(url)
        # A local import, because the embedded edition starts without psycopg. Migrations have no limit except for
        # locks.
        from chassis.database.postgres import TCP

        engine = create_engine(url, connect_args={"connect_timeout": CONNECT_SECONDS, **TCP})
        deadline = time.monotonic() + BLOCKED_SECONDS
        try:
            while True:
                try:
                    return _migrate_postgres(service, engine, app=make_url(app_url or owner_url).username)
                except OperationalError as problem:
                    if not _is_blocked(problem) or time.monotonic() > deadline:
                        raise
                time.sleep(random.uniform(0.05, 0.3))
        finally:
            engine.dispose()
    except OperationalError as problem:
        why = str(problem.orig).strip().splitlines()[0]
        raise Unavailable(
            "MIGRATION_BLOCKED" if _is_blocked(problem) else "MIGRATION_FAILED", service=service.name, why=why
        ) from problem


def _migrate_postgres(service: Service, engine: Engine, *, app: str | None) -> list[str]:
    """Apply the missing revisions in one transaction, and grant the app's role what it needs."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": LOCK_TIMEOUT})
        connection.execute(text(SET_INSTITUTION.format("'*'")))
        applied = _upgrade(service, connection)
        if app not in (None, engine.url.username):
            read_only = [schema_support.name, *(history.version_table for history in histories(service))]
            append_only = (*service.append_only, *audit.APPEND_ONLY)
            grant(connection, app, append_only=append_only, read_only=read_only)
            limit_connections(connection)
        return applied


def _is_blocked(problem: OperationalError) -> bool:
    """Return whether another transaction used a table: lock_not_available or deadlock_detected."""
    return getattr(problem.orig, "sqlstate", None) in ("55P03", "40P01")


def pending(service: Service, database: Database) -> list[str]:
    """List the missing revisions of both histories, oldest first, with the labels of `migrate`.

    raises  Unavailable  DATABASE_NEWER: the database is at a revision that this release does not have
    """
    with database.reader.connect() as connection:
        return [label for history in histories(service) for label in _missing(history, connection)]


def is_unprepared(service: Service, database: Database) -> bool:
    """Return whether no revision of either history has ever been applied."""
    tables = [history.version_table for history in histories(service)]
    with database.reader.connect() as connection:
        return not any(connection.dialect.has_table(connection, table) for table in tables)


def create_or_adopt(op: Any, metadata: MetaData) -> None:
    """Create the tables of `metadata`, or accept those that exist with the same columns and indexes.

    raises  Conflict  TABLES_DIFFER: a table exists with other columns or indexes
    """
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    connection: Connection = op.get_bind()
    metadata.create_all(connection)

    def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or name in metadata.tables

    context = MigrationContext.configure(connection, opts={"include_name": is_ours})
    differences = compare_metadata(context, metadata)
    if differences:
        raise Conflict("TABLES_DIFFER", difference=str(differences[0])[:300])


def _missing(history: History, connection: Connection) -> list[str]:
    has_table = inspect(connection).has_table(history.version_table)
    current = current_revision(history, connection) if has_table else ""
    revisions = history.revisions()
    if current and current not in revisions:
        raise Unavailable("DATABASE_NEWER", revision=history.label(current))
    return [history.label(revision) for revision in revisions if revision > current]


def _upgrade(service: Service, connection: Connection) -> list[str]:
    """Apply the missing revisions, and store the oldest revision whose code works with the database."""
    histories_to_migrate = [history for history in histories(service) if not _is_newer(history, connection)]
    missing = {history: _missing(history, connection) for history in histories_to_migrate}
    for history, revisions in missing.items():
        if revisions:
            _apply(history, connection)
            _store_support(history, connection)
    if CHASSIS in histories_to_migrate:
        _store_age(connection)
    return [label for revisions in missing.values() for label in revisions]


def _is_newer(history: History, connection: Connection) -> bool:
    """Return True if a newer release has migrated the database and this release works with it.

    raises  Unavailable  DATABASE_NEWER
    """
    if not inspect(connection).has_table(history.version_table):
        return False
    current = current_revision(history, connection)
    if not current or current in history.revisions():
        return False
    refuse_unsupported(history, current, connection)
    return True


def _store_support(history: History, connection: Connection) -> None:
    revisions = history.revisions()
    modules = {step.revision: step.module for step in _script(history).walk_revisions()}
    # Older code does not work with a revision that states no `works_with`, nor with any later one.
    oldest = max(
        (getattr(modules[revision], "works_with", revision) for revision in revisions), key=revisions.index, default=""
    )
    connection.execute(delete(schema_support).where(schema_support.c.history == history.name))
    row = {"history": history.name, "revision": revisions[-1], "oldest": oldest}
    connection.execute(insert(schema_support).values(row))


def _store_age(connection: Connection) -> None:
    """Store the time from which the database has no backup, unless it has a row for a backup."""
    if connection.scalar(select(job_runs.c.name).where(job_runs.c.name == LAST_BACKUP)) is None:
        row = {"name": LAST_BACKUP, "started_at": clock.now(), "ended_at": None, "outcome": NO_BACKUP}
        connection.execute(insert(job_runs).values(row))


def _script(history: History) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(history.folder), version_locations=[str(history.folder / "versions")])


def _apply(history: History, connection: Connection) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    script = _script(history)

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("heads", revision)

    # How Alembic's documentation runs migrations without an env.py.
    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=True, version_table=history.version_table)
        environment.run_migrations()


def _create_database(url: URL) -> None:
    engine = create_engine(
        url.set(database="postgres"),
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": CONNECT_SECONDS},
    )
    try:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": url.database})
            if rows.first() is None:
                connection.exec_driver_sql(f'CREATE DATABASE "{url.database}"')
    except (OperationalError, ProgrammingError):
        # If the role may not list or create databases, the next connection shows whether the database exists.
        return
    finally:
        engine.dispose()
