"""Limits what a running service reads and writes in its database: rows by institution, grants, append-only tables.

PostgreSQL has policies and grants for this. On SQLite triggers limit writes, and a compiler of statements limits reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

# The institution of a transaction: a setting on PostgreSQL, a function of the connection on SQLite.
SETTING = "rangkiang.institution"
FUNCTION = "rangkiang_institution"
SET_INSTITUTION = f"SELECT set_config('{SETTING}', {{}}, true)"  # the caller fills in its placeholder

# On a pooled connection an unset setting is ''; nullif makes it NULL, which matches no institution.
_CURRENT = f"nullif(current_setting('{SETTING}', true), '')"


def protect_rows(op: Any, table: str, *, column: str = "institution_id", public_read: bool = False) -> None:
    """Limit the rows of a table to the institution of the transaction; "*" may read and write all rows.

    Released revisions call this function, so its effect must not change; another effect needs another function. The
    manifest lists the tables with limited reads in `protected_tables`.

    op           Alembic's operations
    column       an Id column: the institution that owns the row
    public_read  limit only writes, and only on PostgreSQL; on SQLite triggers would slow imports into a catalogue that
                 all institutions share
    """
    if op.get_bind().dialect.name == "postgresql":
        _add_policies(op, table, column, public_read)
    elif not public_read:
        _add_triggers(op, table, column)


def _add_policies(op: Any, table: str, column: str, public_read: bool) -> None:
    own = f"({_CURRENT} = '*' OR {column}::text = {_CURRENT})"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    if public_read:
        op.execute(f"CREATE POLICY everybody_reads ON {table} FOR SELECT USING (true)")
    else:
        op.execute(f"CREATE POLICY own_rows_are_read ON {table} FOR SELECT USING {own}")
    op.execute(f"CREATE POLICY own_rows_come ON {table} FOR INSERT WITH CHECK {own}")
    op.execute(f"CREATE POLICY own_rows_change ON {table} FOR UPDATE USING {own} WITH CHECK {own}")
    op.execute(f"CREATE POLICY own_rows_go ON {table} FOR DELETE USING {own}")


def _add_triggers(op: Any, table: str, column: str) -> None:
    """Add triggers with the effect of the policies: skip rows of other institutions, and refuse new rows for them."""
    skip = f"SELECT RAISE(IGNORE) WHERE NOT {_owns(f'OLD.{column}')};"
    refuse = f"SELECT RAISE(ABORT, 'row of another institution: {table}') WHERE NOT {_owns(f'NEW.{column}')};"
    op.execute(f"CREATE TRIGGER {table}_own_rows_come BEFORE INSERT ON {table} BEGIN {refuse} END")
    op.execute(f"CREATE TRIGGER {table}_own_rows_change BEFORE UPDATE ON {table} BEGIN {skip} {refuse} END")
    op.execute(f"CREATE TRIGGER {table}_own_rows_go BEFORE DELETE ON {table} BEGIN {skip} END")


def _owns(column: str) -> str:
    return f"coalesce({FUNCTION}() IN ('*', {column}), false)"


def stored_institution(institution: str) -> bytes | str | None:
    """Convert an institution's id to the form of SQLite's Id columns; None for no institution."""
    try:
        return UUID(institution).bytes
    except ValueError:
        return institution or None


class _InstitutionCompiler(SQLiteCompiler):
    """Replaces each protected table that a statement reads by its rows of the connection's institution.

    A compiled statement names the connection's function, so it is the same for every institution and may be cached. The
    table that a statement writes stays as it is, because triggers limit its rows. Text would not be limited, so text
    that names a protected table is refused.
    """

    protected_tables: frozenset[str]
    names: re.Pattern[str]

    def visit_table(self, table: Any, asfrom: Any = False, iscrud: Any = False, *arguments: Any, **options: Any) -> Any:
        name = super().visit_table(table, asfrom, iscrud, *arguments, **options)  # type: ignore[no-untyped-call]
        if not asfrom or iscrud or table.name.lower() not in self.protected_tables:
            return name
        if table.schema:
            raise ValueError(f"a protected table with a schema: {name}")
        rows = f"(SELECT * FROM {name} WHERE {_OWN_ROWS})"  # noqa: S608  # the name of a Table
        alias = options.get("enclosing_alias")
        return rows if alias is not None and alias.element is table else f"{rows} AS {name}"

    def visit_textclause(self, textclause: Any, *arguments: Any, **options: Any) -> str:
        self.refuse(textclause.text)
        text: str = super().visit_textclause(textclause, *arguments, **options)  # type: ignore[no-untyped-call]
        return text

    def escape_literal_column(self, text: str) -> str:
        self.refuse(text)
        escaped: str = super().escape_literal_column(text)  # type: ignore[no-untyped-call]
        return escaped

    @classmethod
    def refuse(cls, text: str) -> None:
        """Refuse text that names a protected table. A PRAGMA reads no rows of tables. Raises ValueError."""
        if cls.names.search(text) and not _PRAGMA.match(text):
            raise ValueError(f"text that names a protected table would read every row, so use its Table: {text[:200]}")


_PRAGMA = re.compile(r"\s*PRAGMA\b", re.IGNORECASE)
_OWN_ROWS = f"institution_id = (SELECT {FUNCTION}()) OR '*' = (SELECT {FUNCTION}())"


def limit_reads(engine: Engine, protected_tables: tuple[str, ...]) -> None:
    """Limit what an engine of SQLite reads of these tables to the rows of the institution of its connection."""
    members = {
        "protected_tables": frozenset(protected_tables),
        # Not before a dot: then it is the table of a column, and the text names the table elsewhere too.
        "names": re.compile(rf"\b({'|'.join(protected_tables)})\b(?!\.)", re.IGNORECASE),
    }
    compiler: Any = type("InstitutionCompiler", (_InstitutionCompiler,), members)
    dialect: Any = engine.dialect
    dialect.statement_compiler = compiler

    class ExecutionContext(dialect.execution_ctx_cls):  # type: ignore[misc]
        def pre_exec(self) -> None:
            if self.compiled is None:  # the driver's SQL
                compiler.refuse(self.statement)
            super().pre_exec()

    dialect.execution_ctx_cls = ExecutionContext


def grant(connection: Connection, role: str, *, append_only: Iterable[str], read_only: Iterable[str]) -> None:
    """Grant the app role the access that the running service needs, on PostgreSQL.

    append_only  tables whose rows the role may add and read, but not change or delete
    read_only    tables that the role may only read
    """
    quoted = _quoted(role)
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {quoted}")
    connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted}")
    connection.exec_driver_sql(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quoted}")
    for table in append_only:
        connection.exec_driver_sql(f"REVOKE UPDATE, DELETE ON {table} FROM {quoted}")
    for table in read_only:
        connection.exec_driver_sql(f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM {quoted}")


def limit_connections(connection: Connection) -> None:
    """Let only roles with rights on a table connect to this database: on PostgreSQL every role may by default.

    So the role of one service cannot connect to the database of another. If the migrating role does not own the
    database, PostgreSQL only warns.
    """
    is_public = connection.exec_driver_sql("SELECT has_database_privilege('public', current_database(), 'CONNECT')")
    everybody = bool(is_public.scalar_one())
    database = _quoted(str(connection.exec_driver_sql("SELECT current_database()").scalar_one()))
    # Also a role of an earlier release, whose processes serve until they are replaced, and roles for reports.
    for role, may_connect in connection.exec_driver_sql(_ROLES_OF_TABLES).all():
        if everybody or not may_connect:
            connection.exec_driver_sql(f"GRANT CONNECT ON DATABASE {database} TO {_quoted(role)}")
    if everybody:
        connection.exec_driver_sql(f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")


_ROLES_OF_TABLES = """
SELECT DISTINCT pg_get_userbyid(rights.grantee), has_database_privilege(rights.grantee, current_database(), 'CONNECT')
FROM pg_class, aclexplode(relacl) AS rights WHERE relnamespace = 'public'::regnamespace AND rights.grantee <> 0
"""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def refuse_changes(connection: Connection, tables: Iterable[str]) -> None:
    """Refuse changes and deletions of rows of these tables, on SQLite, which has no grants."""
    for table in tables:
        for act in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS {table}_append_only_{act.lower()} BEFORE {act} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
