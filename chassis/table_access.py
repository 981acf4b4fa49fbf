"""What the running service may read and write in its own database: rows by institution, grants, append-only tables.

PostgreSQL has policies and grants for this. SQLite has neither: there triggers guard what is written, and a condition
in front of each statement limits what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

# The institution of a transaction: a setting on PostgreSQL, a function of each connection on SQLite.
SETTING = "rangkiang.institution"
FUNCTION = "rangkiang_institution"
SET_INSTITUTION = f"SELECT set_config('{SETTING}', {{}}, true)"  # the placeholder is the caller's

# An unset setting reads as '' on a pooled connection: nullif turns it into nobody.
_CURRENT = f"nullif(current_setting('{SETTING}', true), '')"


def wall(op: Any, table: str, *, column: str = "institution_id", everybody_reads: bool = False) -> None:
    """Limit the rows of a table to the institution of the transaction; "*" may read and write all.

    Revisions call it, so what it makes never changes; another form of wall is another function. The manifest names a
    table whose reading is limited, in `walled`.

    op               of Alembic
    column           an Id: the institution whose row it is
    everybody_reads  limit writing only, and on PostgreSQL only: on SQLite a trigger for each imported row costs more
                     than it guards in a catalogue that all institutions share
    """
    if op.get_bind().dialect.name == "postgresql":
        _add_policies(op, table, column, everybody_reads)
    elif not everybody_reads:
        _add_triggers(op, table, column)


def _add_policies(op: Any, table: str, column: str, everybody_reads: bool) -> None:
    own = f"({_CURRENT} = '*' OR {column}::text = {_CURRENT})"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    if everybody_reads:
        op.execute(f"CREATE POLICY everybody_reads ON {table} FOR SELECT USING (true)")
    else:
        op.execute(f"CREATE POLICY own_rows_are_read ON {table} FOR SELECT USING {own}")
    op.execute(f"CREATE POLICY own_rows_come ON {table} FOR INSERT WITH CHECK {own}")
    op.execute(f"CREATE POLICY own_rows_change ON {table} FOR UPDATE USING {own} WITH CHECK {own}")
    op.execute(f"CREATE POLICY own_rows_go ON {table} FOR DELETE USING {own}")


def _add_triggers(op: Any, table: str, column: str) -> None:
    """As the policies do: another's row is not there to be changed or deleted, and none may become another's."""
    skip = f"SELECT RAISE(IGNORE) WHERE NOT {_owns(f'OLD.{column}')};"
    refuse = f"SELECT RAISE(ABORT, 'row of another institution: {table}') WHERE NOT {_owns(f'NEW.{column}')};"
    op.execute(f"CREATE TRIGGER {table}_own_rows_come BEFORE INSERT ON {table} BEGIN {refuse} END")
    op.execute(f"CREATE TRIGGER {table}_own_rows_change BEFORE UPDATE ON {table} BEGIN {skip} {refuse} END")
    op.execute(f"CREATE TRIGGER {table}_own_rows_go BEFORE DELETE ON {table} BEGIN {skip} END")


def _owns(column: str) -> str:
    return f"coalesce({FUNCTION}() IN ('*', {column}), false)"


def stored_institution(institution: str) -> bytes | str | None:
    """An institution as SQLite's Id columns keep it; None for nobody."""
    try:
        return UUID(institution).bytes
    except ValueError:
        return institution or None


@lru_cache(maxsize=1024)
def limit_to_institution(statement: str, walled: tuple[str, ...]) -> str:
    """Limit a statement, for SQLite, to the rows that the connection's institution may read of each walled table.

    A table's name resolves to a common table expression before the table, wherever the statement reads it, but never
    where it names the table that is written. An INSERT, UPDATE or DELETE which reads a walled table loses its
    `rowcount` by this (-1): Python counts only for statements that begin with these words.

    raises  ValueError  the statement names the schema of a walled table
    """
    if _NOT_LIMITED.match(statement):
        return statement
    target = _TARGET.match(statement)
    # In a statement that writes, `name.column` and `name =` are columns of the target.
    text, mention = (statement[target.end() :], r'\b{0}\b"?(?!\s*[.=])') if target else (statement, r"\b{0}\b")
    tables = [table for table in walled if re.search(mention.format(table), text, re.IGNORECASE)]
    if not tables:
        return statement
    if re.search(rf"\bmain\W{{0,3}}\.\W{{0,3}}({'|'.join(tables)})\b", text, re.IGNORECASE):
        raise ValueError(f"a walled table is named without a schema, which would read every row: {statement}")
    conditions = ", ".join(_CONDITION.format(table=table, current=f"(SELECT {FUNCTION}())") for table in tables)
    own_with = _WITH.match(statement)
    if own_with is None:
        return f"WITH {conditions} {statement}"
    return f"{own_with.group()} {conditions}, {statement[own_with.end() :]}"


_NOT_LIMITED = re.compile(
    r"\s*(PRAGMA|CREATE|ALTER|DROP|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|EXPLAIN)\b", re.IGNORECASE
)
_TARGET = re.compile(
    r'\s*(INSERT\s+(OR\s+\w+\s+)?INTO|REPLACE\s+INTO|UPDATE(\s+OR\s+\w+)?|DELETE\s+FROM)\s+"?\w+"?', re.IGNORECASE
)
_WITH = re.compile(r"\s*WITH(\s+RECURSIVE)?\b", re.IGNORECASE)
_CONDITION = (
    "{table} AS NOT MATERIALIZED (SELECT * FROM main.{table} WHERE institution_id = {current} OR '*' = {current})"
)


def grant(connection: Connection, role: str, *, append_only: Iterable[str], read_only: Iterable[str]) -> None:
    """Give the app role what the running service needs of the tables, on PostgreSQL.

    append_only  tables whose rows the role may add and read, never change or delete
    read_only    tables that the role may only read
    """
    quoted = '"' + role.replace('"', '""') + '"'
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {quoted}")
    connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted}")
    connection.exec_driver_sql(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quoted}")
    for table in append_only:
        connection.exec_driver_sql(f"REVOKE UPDATE, DELETE ON {table} FROM {quoted}")
    for table in read_only:
        connection.exec_driver_sql(f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM {quoted}")


def refuse_changes(connection: Connection, tables: Iterable[str]) -> None:
    """Let rows of these tables be added and read only, on SQLite, where there are no grants."""
    for table in tables:
        for act in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS {table}_append_only_{act.lower()} BEFORE {act} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
