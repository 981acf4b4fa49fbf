"""Statements whose form depends on the dialect, or that are executed for many rows."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import String, Table, and_, bindparam, cast, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

if TYPE_CHECKING:
    from chassis.context import Context
    from chassis.database.db import Database

Rows = Sequence[Mapping[str, Any]]
MOST_PARAMETERS = 10_000
DELETED_AT_ONCE = 200

Value = TypeVar("Value")


def in_parts(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Divide values into parts, one for each statement, because databases limit the number of parameters."""
    for start in range(0, len(values), MOST_PARAMETERS):
        yield values[start : start + MOST_PARAMETERS]


def insert_for(session: Session, table: Table | type[DeclarativeBase]) -> Any:
    """Return an INSERT with the `on_conflict_do_…` of the session's dialect."""
    return insert_into(table, session.get_bind().dialect.name)


def insert_into(table: Any, dialect_name: str) -> Any:
    """Return an INSERT with the `on_conflict_do_…` of a dialect, for a statement that is built once."""
    dialect: Any = sqlite if dialect_name == "sqlite" else postgresql
    return dialect.insert(table)


def count_changed(session: Session, statement: Any, values: Mapping[str, Any] | Rows | None = None) -> int:
    """Execute an INSERT, UPDATE or DELETE. Returns the number of changed rows."""
    result: Any = session.execute(statement, values, execution_options={"preserve_rowcount": True})
    return int(result.rowcount)


def insert_ignore(session: Session, table: Any, rows: Rows, *, key: Sequence[str] = ()) -> int:
    """Insert rows with the same columns, except those that exist. Returns the number of new rows.

    table  a Table or a declarative class
    key    columns of the unique index to compare; by default any index
    """
    if not rows:
        return 0
    statement = _insert_ignore(session.get_bind().dialect.name, _table(table), tuple(key))
    return count_changed(session, statement, rows)


@functools.lru_cache(maxsize=128)
def _insert_ignore(dialect_name: str, table: Table, key: tuple[str, ...]) -> Any:
    return insert_into(table, dialect_name).inline().on_conflict_do_nothing(index_elements=key or None)


def upsert_newer(session: Session, table: Any, rows: Rows, *, key: str, version: str) -> int:
    """Insert rows with the same columns, or replace the row with the same key if that has an older version.

    table    a Table or a declarative class
    key      name of the column of the unique index
    returns  the number of rows that were stored
    """
    if not rows:
        return 0
    statement = _upsert_newer(session.get_bind().dialect.name, _table(table), tuple(rows[0]), key, version)
    return count_changed(session, statement, rows)


@functools.lru_cache(maxsize=64)
def _upsert_newer(dialect_name: str, table: Table, columns: tuple[str, ...], key: str, version: str) -> Any:
    insert = insert_into(table, dialect_name).inline()
    values = {name: insert.excluded[name] for name in columns if name != key}
    newer = table.c[version] < insert.excluded[version]
    return insert.on_conflict_do_update(index_elements=[key], set_=values, where=newer)


def update_many(session: Session, table: Any, rows: Rows, *, key: str) -> None:
    """Update rows by their keys, with one statement that is executed for each row.

    table  a Table or a declarative class
    rows   the key and the changed columns; all rows have the same columns
    """
    if rows:
        # Another name, because the parameter of the key must not have the name of a column.
        values = [{f"where_{key}" if name == key else name: value for name, value in row.items()} for row in rows]
        session.execute(_update(_table(table), key), values)


@functools.lru_cache(maxsize=128)
def _update(table: Table, key: str) -> Any:
    return update(table).where(table.c[key] == bindparam(f"where_{key}"))


def _table(table: Any) -> Table:
    of_class: Table = getattr(table, "__table__", table)
    return of_class


def delete_rows(database: Database, context: Context, table: Table, condition: Any, stop: threading.Event) -> int:
    """Delete the rows that satisfy a condition, in short transactions until `stop`. Returns their number.

    The search for rows is outside these transactions, so that no writer waits for it.
    """
    count, key = 0, list(table.primary_key)
    is_row = and_(*(column == bindparam(f"key_{column.name}") for column in key))
    while not stop.is_set():
        with database.reading(context) as session:
            rows = session.execute(select(*key).where(condition).limit(DELETED_AT_ONCE)).all()
        if not rows:
            break
        keys = [{f"key_{column.name}": value for column, value in zip(key, row, strict=True)} for row in rows]
        with database.transaction(context) as session:
            # With the condition again, because rows may have changed since the search.
            session.connection().execute(delete(table).where(is_row, condition), keys)
        count += len(rows)
    return count


def among(session: Session, column: Any, texts: Sequence[str]) -> Any:
    """Return the condition that a text column has one of many values, which are one parameter.

    SQLAlchemy takes a microsecond for each parameter of IN, as long as the look-up in SQLite.
    """
    if session.get_bind().dialect.name == "postgresql":
        return column == func.any(cast(list(texts), postgresql.ARRAY(String)))
    return column.in_(select(func.json_each(json.dumps(texts)).table_valued("value").c.value))
