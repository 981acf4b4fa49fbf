"""Doctor's checks of a database's structure: rights, row-level security, indexes, and damaged pages."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Index, Inspector, Table, UniqueConstraint, inspect, text
from sqlalchemy.exc import SAWarning
from sqlalchemy.schema import CreateIndex

from chassis import audit
from chassis.context import READER
from chassis.database.db import Database, chassis_tables
from chassis.database.db_errors import translate_connection_errors
from chassis.errors import Error, Unavailable
from chassis.migrations.migrate import pending
from chassis.migrations.revisions import schema_support
from chassis.operations.health import Finding
from chassis.sentences import sentence
from chassis.service import Service
from chassis.settings import Settings

PAGES_SECONDS = 7.0  # less than chassis.operations.health.TIMEOUT_SECONDS
CHANGES = ("INSERT", "UPDATE", "DELETE")
_MOST_NAMED = 10


def check_structure(settings: Settings, service: Service) -> list[Finding]:
    """Check that each table has its indexes, and on PostgreSQL the rights of the service's role and row security."""
    with closing(service.open_database(settings, pool_size=1, any_revision=True)) as database:
        if _is_other_revision(service, database):
            return []  # the check of migrations reports that
        findings = [*_check_indexes(service, database)]
        if not database.is_sqlite:
            findings += [*_check_rights(service, database), *_check_row_security(service, database)]
    return findings or [Finding(f"{service.name} structure", True, sentence("CHECK_STRUCTURE"))]


def _check_rights(service: Service, database: Database) -> Iterator[Finding]:
    changes = {**dict.fromkeys((*service.append_only, *audit.APPEND_ONLY), CHANGES[:1]), schema_support.name: ()}
    wanted = [
        (table.name, right) for table in _tables(service) for right in ("SELECT", *changes.get(table.name, CHANGES))
    ]
    values = {"tables": [table for table, _ in wanted], "rights": [right for _, right in wanted]}
    with database.reading(READER) as session:
        missing = [f"{right} {table}" for table, right in session.execute(_MISSING_RIGHTS, values)]
    if missing:
        message = sentence("CHECK_RIGHTS_MISSING", rights=_names(missing))
        advice = sentence("CHECK_RIGHTS_MISSING_ADVICE", service=service.name)
        yield Finding(f"{service.name} rights", False, message, advice)


_MISSING_RIGHTS = text("""
SELECT name, granted FROM unnest(CAST(:tables AS text[]), CAST(:rights AS text[])) AS wanted (name, granted)
WHERE to_regclass(quote_ident(name)) IS NOT NULL AND NOT has_table_privilege(quote_ident(name), granted)
""")


def _check_row_security(service: Service, database: Database) -> Iterator[Finding]:
    """Check the protected tables, and each other table that has policies, as those of the catalogue."""
    with database.reading(READER) as session:
        tables = list(session.scalars(_UNPROTECTED, {"tables": list(service.protected_tables)}))
    if tables:
        statements = " ".join(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY;"
            for table in tables
        )
        message = sentence("CHECK_ROW_SECURITY_OFF", tables=_names(tables))
        advice = sentence("CHECK_STRUCTURE_ADVICE", statements=statements)
        yield Finding(f"{service.name} row security", False, message, advice)


_UNPROTECTED = text("""
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity)
  AND (relname = ANY(CAST(:tables AS text[])) OR EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid))
ORDER BY relname
""")


def _check_indexes(service: Service, database: Database) -> Iterator[Finding]:
    """Check the indexes and unique constraints, and that PostgreSQL uses the indexes."""
    with translate_connection_errors(), database.reader.connect() as connection:
        missing = dict(_missing_indexes(connection, _tables(service)))
    if missing:
        message = sentence("CHECK_INDEXES_MISSING", indexes=_names(list(missing)))
        advice = sentence("CHECK_STRUCTURE_ADVICE", statements=" ".join(missing.values()))
        yield Finding(f"{service.name} indexes", False, message, advice)


def _missing_indexes(connection: Connection, tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    """Yield the name of each missing index with the statements that make it."""
    inspector = inspect(connection)
    invalid = set()
    if connection.dialect.name == "postgresql":
        # A unique index that could not be built stays as an invalid one.
        query = "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE NOT indisvalid"
        invalid = set(connection.exec_driver_sql(query).scalars())
    for table in tables:
        existing, unique = _indexes_of(inspector, table.name)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if index.name in existing and index.name not in invalid:
                continue
            drop = f"DROP INDEX {index.name}; " if index.name in invalid else ""
            yield str(index.name), f"{drop}{_statement(index, connection)};"
        for constraint in table.constraints:
            names = [column.name for column in constraint.columns] if isinstance(constraint, UniqueConstraint) else []
            if names and frozenset(names) not in unique:
                columns = ", ".join(names)
                yield f"{table.name} ({columns})", f"ALTER TABLE {table.name} ADD UNIQUE ({columns});"


def _indexes_of(inspector: Inspector, table: str) -> tuple[set[str | None], set[frozenset[str | None]]]:
    """Return the names of a table's indexes, and the columns of each that is unique."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # of indexes on expressions
        indexes = inspector.get_indexes(table)
        constraints = inspector.get_unique_constraints(table)
    unique = {frozenset(index["column_names"]) for index in indexes if index["unique"]}
    return {index["name"] for index in indexes}, unique | {
        frozenset(constraint["column_names"]) for constraint in constraints
    }


def _statement(index: Index, connection: Connection) -> str:
    return " ".join(str(CreateIndex(index).compile(dialect=connection.dialect)).split())


def check_pages(settings: Settings, service: Service) -> list[Finding]:
    """Read the pages of a SQLite file for some seconds; `rangkiang backup` checks its copy of the whole file."""
    part = f"{service.name} pages"
    with closing(service.open_database(settings, pool_size=1, any_revision=True)) as database:
        if not database.is_sqlite:
            return []
        path = Path(str(database.url.database))
    outcomes: list[str | Error] = []

    def read() -> None:
        try:
            with (
                closing(service.open_database(settings, pool_size=1, any_revision=True)) as database,
                database.reading(READER) as session,
            ):
                outcomes.append(str(session.execute(text("PRAGMA quick_check(1)")).scalar_one()))
        except Error as problem:
            outcomes.append(problem)

    # In a thread, because SQLite may not end the check of a large table in between.
    thread = threading.Thread(target=read, name=f"check {part}", daemon=True)
    thread.start()
    thread.join(PAGES_SECONDS)
    megabytes = path.stat().st_size // 1024 // 1024
    match outcomes:
        case []:
            message = sentence("CHECK_PAGES_PARTLY", seconds=int(PAGES_SECONDS), megabytes=megabytes)
            return [Finding(part, True, message)]
        case ["ok"]:
            return [Finding(part, True, sentence("CHECK_PAGES"))]
        case [Error() as problem]:
            return [Finding(part, False, problem.sentence, sentence("ADVICE_DAMAGED"))]
        case _:
            why = str(outcomes[0]).splitlines()[-1]
            message = sentence("CHECK_PAGES_DAMAGED", file=str(path), why=why)
            return [Finding(part, False, message, sentence("ADVICE_DAMAGED"))]


def _tables(service: Service) -> list[Table]:
    return [*chassis_tables.sorted_tables, *service.tables.sorted_tables]


def _is_other_revision(service: Service, database: Database) -> bool:
    """Return whether the database is at another revision than this release."""
    try:
        with translate_connection_errors():
            return bool(service.migrations and pending(service, database))
    except Unavailable as problem:
        if problem.reason != "DATABASE_NEWER":
            raise
        return True


def _names(names: Sequence[str]) -> str:
    more = ["…"] if len(names) > _MOST_NAMED else []
    return ", ".join([*names[:_MOST_NAMED], *more])
