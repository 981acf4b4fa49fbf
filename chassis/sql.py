"""Statements whose form depends on the dialect, or that are long in SQLAlchemy."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import String, Table, and_, bindparam, cast, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

from chassis.prepared import AnySession, Prepared, statements_of, whole

if TYPE_CHECKING:
    from sqlalchemy import CursorResult

    from chassis.context import Context
    from chassis.db import Database

Rows = Sequence[Mapping[str, Any]]
MOST_PARAMETERS = 10_000
_STORED_AS_IS = frozenset((str, int, bytes, type(None), bool, float))
DELETED_AT_ONCE = 200

Value = TypeVar("Value")


def in_parts(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Divide values into parts, one for each statement, because databases limit the number of parameters."""
    for start in range(0, len(values), MOST_PARAMETERS):
        yield values[start : start + MOST_PARAMETERS]


def insert_for(session: Session, table: Table | type[DeclarativeBase]) -> Any:
    """Return an INSERT with the `on_conflict_do_…` of the session's dialect."""
    dialect: Any = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def insert_ignore(
    session: Session,
    table: Table | type[DeclarativeBase],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str] = (),
) -> None:
    """Insert rows, except those that exist.

    key  columns of the unique index to compare; by default any index
    """
    if rows:
        session.execute(insert_for(session, table).on_conflict_do_nothing(index_elements=key or None), rows)


def upsert_newer(session: Session, table: Any, row: Mapping[str, Any], *, key: str, version: str) -> bool:
    """Insert a row, or replace the row with its key if that has an older version. The statement is built once.

    table    a Table or a declarative class
    key      name of the column of the unique index
    returns  False if the stored row is not older
    """
    table = getattr(table, "__table__", table)
    statement = _upsert_newer(session.get_bind().dialect.name, table, tuple(row), key, version)
    return statement.execute(session, row) == 1


@functools.lru_cache(maxsize=64)
def _upsert_newer(dialect_name: str, table: Table, columns: tuple[str, ...], key: str, version: str) -> Prepared:
    dialect: Any = sqlite if dialect_name == "sqlite" else postgresql
    insert = dialect.insert(table).values({name: bindparam(name) for name in columns})
    values = {name: insert.excluded[name] for name in columns if name != key}
    newer = table.c[version] < insert.excluded[version]
    return Prepared(insert.on_conflict_do_update(index_elements=[key], set_=values, where=newer))


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


def run_sql(session: Session, statement: str, parameters: Sequence[Any]) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement in the driver's SQL, where SQLAlchemy would double the time of an act.

    statement   SQL with `?` for each parameter, on both databases
    parameters  values of the driver's types, UUIDs, dates and aware times; results have the driver's types
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(statement.replace("?", "%s"), tuple(parameters))
    return connection.exec_driver_sql(statement, _stored(parameters))


def fetch_sql(session: AnySession, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a SELECT or of a statement with RETURNING; arguments and types as for `run_sql`.

    On SQLite it takes a third of the time of `run_sql`, which matters for handlers of frequent facts.
    """
    statements = statements_of(session)
    if statements is None:
        return [tuple(row) for row in run_sql(whole(session), statement, parameters)]
    if statements.get_bind().dialect.name == "postgresql":
        return [tuple(row) for row in statements.fetch(statement.replace("?", "%s"), tuple(parameters))]
    return statements.fetch(statement, _stored(parameters))


def fetch_among(
    session: AnySession, statement: str, ids: Sequence[UUID], *, parameters: Sequence[Any] = (), lock: bool = False
) -> list[tuple[Any, ...]]:
    """Return the rows of a SELECT of a hot path that have one of the ids, in a tenth of the time of SQLAlchemy's `in_`.

    statement   its first column has this id, and it ends with the name of this column, such as
                `SELECT id, state FROM notices WHERE id`; other values have the driver's types
    parameters  values of the `?` in it; see run_sql
    lock        lock the rows until the commit
    returns     rows with a UUID as the first value
    """
    if session.get_bind().dialect.name == "postgresql":
        locked = " FOR UPDATE" if lock else ""
        return fetch_sql(session, f"{statement} = ANY(?){locked}", [*parameters, list(ids)])
    rows = fetch_sql(session, f"{statement} IN ({','.join('?' * len(ids))})", [*parameters, *ids])
    return [(UUID(bytes=row[0]), *row[1:]) for row in rows]


def fetch_by_id(
    session: AnySession, statement: str, ids: Sequence[UUID], *, lock: bool = False
) -> dict[UUID, tuple[Any, ...]]:
    """Return the rows of `fetch_among` by the ids in their first column."""
    return {row[0]: row for row in fetch_among(session, statement, ids, lock=lock)}


def run_many(session: Session, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement once for each row of parameters; see run_sql."""
    if not rows:
        return
    if len(rows) == 1 and (statements := statements_of(session)) is not None:
        statements.run(statement, _stored(rows[0]))
        return
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(statement.replace("?", "%s"), [tuple(row) for row in rows])
    else:
        connection.exec_driver_sql(statement, [_stored(row) for row in rows])


def insert_many(session: Session, table: Any, rows: Rows) -> None:
    """Insert rows with the same columns, in half the time of SQLAlchemy's types; values as for run_sql."""
    if rows:
        name, columns = getattr(table, "__table__", table).name, list(rows[0])
        statement = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
        run_many(session, statement, [[row[column] for column in columns] for row in rows])


def _stored(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return values as Id, UtcTime and Date store them on SQLite."""
    return tuple([value if type(value) in _STORED_AS_IS else _stored_value(value) for value in values])


def _stored_value(value: Any) -> Any:
    if type(value) is UUID:
        return value.bytes
    if type(value) is datetime:
        return _stored_time(value)
    return value.isoformat() if type(value) is date else value


@functools.lru_cache(maxsize=64)
def _stored_time(value: datetime) -> str:
    """Return a time as UtcTime stores it; all rows of a batch have the same."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


def update_many(session: AnySession, table: Any, rows: Rows, *, key: str) -> None:
    """Update rows by their keys, with one statement that is executed many times.

    table  a Table or a declarative class
    rows   the key and the changed columns; all rows have the same columns
    """
    if not rows:
        return
    table = getattr(table, "__table__", table)
    # Another name, because the parameter of the key must not have the name of a column.
    values = [{f"where_{key}" if name == key else name: value for name, value in row.items()} for row in rows]
    # On the connection, because the session would treat the rows as updates of its objects.
    _update(table, key, tuple(rows[0])).execute_many(session, values)


@functools.lru_cache(maxsize=128)
def _update(table: Table, key: str, columns: tuple[str, ...]) -> Prepared:
    values = {name: bindparam(name, type_=table.c[name].type) for name in columns if name != key}
    return Prepared(update(table).where(table.c[key] == bindparam(f"where_{key}")).values(values))
