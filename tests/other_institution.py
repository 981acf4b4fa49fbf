"""Runs the statements of a test on SQLite again, as another institution: it must not see or change a row of the first.

Half of the rows of protected tables are given to the other institution. A SELECT must then return what it returns when
the rows of the first institution do not exist, and a statement that writes must leave these rows as they are.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event

from chassis.database.table_access import FUNCTION

OTHER = UUID("0192f3a4-0000-7000-8000-0000000000ff").bytes
WRITES = ("INSERT", "UPDATE", "DELETE")
# Each statement is run again once in a process, with the parameters of its first use.
_seen: set[tuple[str, str]] = set()
_recorded: dict[tuple[str, frozenset[str]], list[tuple[str, Any]]] = {}


@event.listens_for(Engine, "after_cursor_execute")
def _record(connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
    tables = getattr(connection.dialect.statement_compiler, "protected_tables", None)
    key = (str(connection.engine.url.database), statement)
    if not tables or statement.split(None, 1)[0].upper() not in ("SELECT", "WITH", *WRITES):
        return
    service = Path(key[0]).name
    if (service, statement) not in _seen:
        _seen.add((service, statement))
        _recorded.setdefault((key[0], tables), []).append((statement, parameters[0] if many else parameters))


def forget_recorded() -> None:
    _recorded.clear()


def run_recorded() -> None:
    """Run the new statements since the last call, on the databases of services, as the other institution.

    raises  AssertionError  a statement has seen or changed a row of the first institution
    """
    while _recorded:
        (path, tables), statements = _recorded.popitem()
        if Path(path).is_file():
            check(path, sorted(tables), statements)


def check(path: str, tables: list[str], statements: list[tuple[str, Any]]) -> None:
    """Run statements on a copy of a database as the other institution. Raises AssertionError; see `run_recorded`."""
    with closing(sqlite3.connect(path)) as source, _copy(source) as mixed:
        turns = itertools.count()
        mixed.create_function("every_other", 0, lambda: next(turns) % 2)
        for table in tables:
            mixed.execute(f"UPDATE OR IGNORE {table} SET institution_id = ? WHERE every_other()", (OTHER,))
        _check_all(mixed, tables, statements)


def _check_all(mixed: sqlite3.Connection, tables: list[str], statements: list[tuple[str, Any]]) -> None:
    with _copy(mixed) as own:
        for table in tables:
            own.execute(f"DELETE FROM {table} WHERE institution_id IS NOT ?", (OTHER,))
        for connection in (mixed, own):
            connection.create_function(FUNCTION, 0, lambda: OTHER)
        for statement, parameters in statements:
            if statement.split(None, 1)[0].upper() in WRITES:
                _check_write(mixed, tables, statement, parameters)
            else:
                rows, own_rows = (sorted(map(repr, source.execute(statement, parameters))) for source in (mixed, own))
                assert rows == own_rows, f"reads rows of another institution: {statement}"


def _check_write(connection: sqlite3.Connection, tables: list[str], statement: str, parameters: Any) -> None:
    before = _foreign_rows(connection, tables)
    connection.execute("SAVEPOINT act")
    with suppress(sqlite3.Error):  # a trigger refuses it, or rows of the first institution are in its way
        connection.execute(statement, parameters).fetchall()
    assert _foreign_rows(connection, tables) == before, f"changes rows of another institution: {statement}"
    connection.execute("ROLLBACK TO act")


def _foreign_rows(connection: sqlite3.Connection, tables: list[str]) -> list[list[str]]:
    queries = (f"SELECT * FROM {table} WHERE institution_id IS NOT ?" for table in tables)
    return [sorted(map(repr, connection.execute(query, (OTHER,)))) for query in queries]


@contextmanager
def _copy(source: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Yield a copy in memory, whose rows every institution may change, without triggers that keep rows as added."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        source.backup(connection)
        connection.create_function(FUNCTION, 0, lambda: "*")
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            if "_append_only_" in name:
                connection.execute(f"DROP TRIGGER {name}")
        yield connection
