"""Column types for both databases: ids, times and large numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Date, DateTime, Integer, LargeBinary, Uuid
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

# 64 bits for counts and generated numbers; SQLite generates row ids only for INTEGER.
BigNumber = BigInteger().with_variant(Integer, "sqlite")


class Id(TypeDecorator[UUID]):
    """A UUID: PostgreSQL's own type; 16 bytes on SQLite, half the size of SQLAlchemy's text in rows and indexes."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary(16))
        return dialect.type_descriptor(Uuid())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        # Faster than SQLAlchemy's type, which calls two more functions for each value.
        return _bytes_of if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        return read_id if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value.bytes if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return read_id(value)


def _bytes_of(value: UUID | None) -> bytes | None:
    return None if value is None else value.bytes


def read_id(value: Any) -> UUID | None:
    """Return a value of the driver as an id."""
    return UUID(bytes=value) if isinstance(value, bytes) else value


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC; SQLite stores no zone, so UTC is added to results."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        # As for Id; the text is that of SQLAlchemy's type.
        return _text_of if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        return _read_time if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _text_of(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _read_time(value: str | None) -> datetime | None:
    return None if value is None else read_time(value)


def read_time(value: str | datetime) -> datetime:
    """Return a value of the driver as a time."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value.astimezone(UTC)


# Python types of columns, for the base class of a service's tables.
COLUMN_TYPES: dict[Any, Any] = {
    UUID: Id,
    datetime: UtcTime,
    date: Date,
    bytes: LargeBinary,
    int: BigNumber,
    dict[str, Any]: JSON,
    list[dict[str, Any]]: JSON,
}
