"""Statements that each dialect writes in its own way, or SQLAlchemy only in a long one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

Rows = Sequence[Mapping[str, Any]]


def insert_for(session: Session, table: Table | type[DeclarativeBase]) -> Any:
    """An INSERT with the `on_conflict_do_…` of the session's dialect."""
    dialect: Any = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def insert_ignore(
    session: Session,
    table: Table | type[DeclarativeBase],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str] = (),
) -> None:
    """Insert rows, leaving out those that are there already.

    key  columns of the unique index that decides; any, when none is named
    """
    if rows:
        session.execute(insert_for(session, table).on_conflict_do_nothing(index_elements=key or None), rows)


def update_many(session: Session, table: Any, rows: Rows, *, key: str) -> None:
    """Update rows, each by its key, in one statement sent many times.

    table  a Table or a declarative class
    rows   the key and the columns that change; the same columns in each
    """
    if not rows:
        return
    table = getattr(table, "__table__", table)
    # The key's parameter must not have the name of a column.
    values = [{f"where_{key}" if name == key else name: value for name, value in row.items()} for row in rows]
    # On the connection, because the session would take such rows for an update of its objects.
    session.connection().execute(update(table).where(table.c[key] == bindparam(f"where_{key}")), values)
