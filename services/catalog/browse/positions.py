"""Positions in a list, and their cursors."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

import orjson

from chassis.errors import Invalid
from services.catalog.items.call_numbers import sort_key
from services.catalog.record.headings import heading_sort

KINDS = ("author", "subject", "series", "title", "call_number")
LONGEST_TERM = 200
_LONGEST_CURSOR = 2_000


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a list. sort, tie: of the entry there; back: read backwards from it; past: without that entry."""

    kind: str
    sort: str = ""
    tie: str = ""
    back: bool = False
    past: bool = False

    def __str__(self) -> str:
        packed = orjson.dumps([self.kind, self.sort, self.tie, self.back])
        return urlsafe_b64encode(packed).decode().rstrip("=")


def position_of(kind: str, term: str) -> Position:
    """Return the position of a typed term in a list.

    raises  Invalid  BROWSE_KIND_UNKNOWN, TERM_TOO_LONG
    """
    if kind not in KINDS:
        raise Invalid("BROWSE_KIND_UNKNOWN", kind=kind[:80], known=", ".join(KINDS))
    if len(term) > LONGEST_TERM:
        raise Invalid("TERM_TOO_LONG", most=LONGEST_TERM)
    return Position(kind, sort_key(term) if kind == "call_number" else heading_sort(term))


def position_from_cursor(text: str) -> Position:
    """Decode a cursor.

    raises  Invalid  CURSOR_FOREIGN
    """
    try:
        packed = urlsafe_b64decode(text[:_LONGEST_CURSOR] + "=" * (-len(text[:_LONGEST_CURSOR]) % 4))
        kind, sort, tie, back = orjson.loads(packed)
    except (binascii.Error, ValueError, TypeError):
        raise _cursor_foreign() from None
    texts = kind in KINDS and isinstance(sort, str) and isinstance(tie, str) and isinstance(back, bool)
    if not texts or "\x00" in sort + tie:
        raise _cursor_foreign()
    return Position(kind, sort, tie, back, past=True)


def _cursor_foreign() -> Invalid:
    return Invalid("CURSOR_FOREIGN")
