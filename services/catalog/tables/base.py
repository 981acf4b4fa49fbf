"""The base of the catalogue's tables."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, String, func, select, text
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session

from chassis.db import BigNumber, Id, UtcTime


class Table(DeclarativeBase):
    type_annotation_map = {UUID: Id, datetime: UtcTime, bytes: LargeBinary, int: BigNumber}


# Text that sorts by code point on every database, whatever the server's locale.
SortKey = String().with_variant(String(collation="C"), "postgresql")


def fresh_numbers(session: Session, column: InstrumentedAttribute[int], count: int) -> list[int]:
    """Return ascending numbers for new rows. On SQLite the caller holds the write lock, so no one else takes them."""
    if session.get_bind().dialect.name == "postgresql":
        drawn = text("SELECT nextval(pg_get_serial_sequence(:table, :column)) FROM generate_series(1, :count)")
        named = {"table": column.class_.__tablename__, "column": column.key, "count": count}
        return sorted(session.scalars(drawn, named))
    highest = session.scalar(select(func.max(column))) or 0
    return list(range(highest + 1, highest + 1 + count))
