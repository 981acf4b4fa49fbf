"""Identifiers: UUIDv7, which sort by creation time."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils

from chassis.errors import Invalid


def new_id() -> UUID:
    """Make a UUIDv7."""
    return UUID(int=uuid_utils.uuid7().int)


def new_id_text() -> str:
    """Make a UUIDv7 as text, in a tenth of the time of `str(new_id())`."""
    return str(uuid_utils.uuid7())


def earliest_id(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of a moment; ids from before the moment sort before it."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))


def moment_of(identifier: UUID) -> datetime:
    """Return when a UUIDv7 was made, UTC, to the millisecond."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)


def parse_or_nil(text: str) -> UUID:
    """Read an identifier; return the nil UUID, which no row has, for any other text."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def parse_id(text: str) -> UUID:
    """Read an identifier in any spelling of a UUID.

    raises  Invalid  ID_NOT_READABLE
    """
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("ID_NOT_READABLE", given=text[:80]) from None
