"""Cursors of lists: opaque texts that say where the next page begins. No other module makes or reads them.

A cursor belongs to one list, and is refused by every other one.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from chassis.errors import Invalid

LONGEST = 2_000


def write_cursor(of: str, *parts: Any) -> str:
    """Return the cursor of a page of a list.

    of     name of the list
    parts  texts, numbers, flags, ids, days and moments that tell where the page begins
    """
    return urlsafe_b64encode(orjson.dumps([of, *parts])).decode().rstrip("=")


def read_cursor(text: str, of: str, *kinds: Callable[[Any], Any]) -> list[Any]:
    """Return the parts of a cursor.

    kinds   str, int and bool for parts of that type; else a function that reads the text of a part, such as UUID
    raises  Invalid  CURSOR_INVALID
    """
    try:
        found, *parts = orjson.loads(urlsafe_b64decode(text[:LONGEST] + "=" * (-len(text[:LONGEST]) % 4)))
        if found != of or write_cursor(of, *parts) != text:
            raise cursor_invalid()
        return [_read(kind, part) for kind, part in zip(kinds, parts, strict=True)]
    except (ValueError, TypeError, OverflowError):
        raise cursor_invalid() from None


def moment(text: str) -> datetime:
    """Read a moment, which has a zone, in UTC. Raises ValueError, OverflowError."""
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(text)
    return value.astimezone(UTC)


def cursor_invalid() -> Invalid:
    return Invalid("CURSOR_INVALID")


def _read(kind: Callable[[Any], Any], part: Any) -> Any:
    expected = kind if kind in (str, int, bool) else str
    if type(part) is not expected or (isinstance(part, str) and "\x00" in part):
        raise ValueError(part)
    return kind(part)
