"""Bring a service's database to its newest revision: forward only, all or nothing, one at a time."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError, ProgrammingError

from chassis.db import Database
from chassis.errors import Unavailable
from chassis.service import Service

LOCK = 0x52414E47  # "RANG": one migration at a time in a database
LOCK_TIMEOUT = "5s"  # a migration waits for busy tables only so long; readers queue behind a waiting one


def migrate(service: Service, *, owner_url: str, app_url: str = "") -> list[str]:
    """Apply what is missing.

    owner_url  whose role owns the tables; on PostgreSQL the database is made when it is missing
    app_url    whose role the running service has; it is granted what it needs
    returns    revisions applied, oldest first
    raises     Unavailable  MIGRATION_BLOCKED, MIGRATION_FAILED
    """
    url = make_url(owner_url)
    if url.get_backend_name() == "sqlite":
        database = Database(owner_url)
        try:
            with database.writer.begin() as connection:
                return _upgrade(service, connection)
        finally:
            database.close()
    try:
        _make_database(url)
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
                connection.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": LOCK_TIMEOUT})
                connection.execute(text("SELECT set_config('rangkiang.institution', '*', true)"))
                applied = _upgrade(service, connection)
                _grant(connection, owner=url, app=make_url(app_url or owner_url))
                return applied
        finally:
            engine.dispose()
    except OperationalError as problem:
        why = str(problem.orig).strip().splitlines()[0]
        raise Unavailable(
            "MIGRATION_BLOCKED" if "lock timeout" in why else "MIGRATION_FAILED", service=service.name, why=why
        ) from problem


def pending(service: Service, database: Database) -> list[str]:
    """Revisions this database still lacks, oldest first."""
    script = _script(service)
    with database.reader.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    return [step.revision for step in reversed(list(script.iterate_revisions("heads", current or "base")))]


def _script(service: Service) -> ScriptDirectory:
    package = import_module(service.migrations)
    place = Path(str(package.__file__)).parent
    return ScriptDirectory(str(place), version_locations=[str(place / "versions")])


def _upgrade(service: Service, connection: Connection) -> list[str]:
    script = _script(service)
    applied: list[str] = []

    def steps(revision: Any, _context: Any) -> Any:
        found = script._upgrade_revs("heads", revision)
        applied.extend(step.revision.revision for step in found)
        return found

    # The documented way to run without an env.py: the connection and the steps are ours.
    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()
    return applied


def _make_database(url: URL) -> None:
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            there = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": url.database})
            if there.first() is None:
                connection.exec_driver_sql(f'CREATE DATABASE "{url.database}"')
    except (OperationalError, ProgrammingError):
        # Not allowed to look or to make one: then it must be there, and connecting to it says so.
        return
    finally:
        engine.dispose()


def _grant(connection: Connection, *, owner: URL, app: URL) -> None:
    if app.username in (None, owner.username):
        return
    quoted = '"' + str(app.username).replace('"', '""') + '"'
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {quoted}")
    connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted}")
    connection.exec_driver_sql(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quoted}")


def create_leases(op: Any) -> None:
    """Table of chassis.lease as of its first form; for a service's first revision."""
    import sqlalchemy as sa

    op.create_table(
        "leases",
        sa.Column("role", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
