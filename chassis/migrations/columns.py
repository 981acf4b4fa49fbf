"""Columns and indexes as first revisions write them; a revision that needs another kind of column writes it itself."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from chassis import clock
from chassis.database.column_types import BigNumber, Id


def id_(name: str = "id", *, key: bool = False, of: str = "", nullable: bool = False) -> sa.Column[object]:
    references = [sa.ForeignKey(f"{of}.id")] if of else []
    return sa.Column(name, Id, *references, primary_key=key, nullable=nullable)


def text(
    name: str, length: int | None = None, *, key: bool = False, unique: bool = False, nullable: bool = False
) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=key, nullable=nullable, unique=unique or None)


def bytes_(name: str, length: int | None = None, *, key: bool = False, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(length), primary_key=key, nullable=nullable)


def time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def changed_at() -> sa.Column[object]:
    """A column for a table with rows: their time of change is the time of the revision, and no row is rewritten."""
    now = clock.now().strftime("%Y-%m-%d %H:%M:%S.%f")
    is_sqlite = op.get_context().dialect.name == "sqlite"
    return sa.Column(
        "changed_at", sa.DateTime(timezone=True), nullable=False, server_default=now if is_sqlite else f"{now}+00"
    )


def day(name: str, *, key: bool = False, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Date, primary_key=key, nullable=nullable)


def number(name: str, *, key: bool = False, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, BigNumber, primary_key=key, autoincrement=False, nullable=False, server_default=default)


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def json_(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON, nullable=False)


def index(name: str, table: str, columns: Sequence[str], where: str = "", *, unique: bool = False) -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
