"""Cursors of a search: where the next page of a query begins, and the index state of the page before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from chassis.cursors import cursor_invalid, read_cursor, write_cursor
from chassis.errors import Invalid
from services.catalog.index.port import REACH
from services.catalog.search.execution import Mode

_LIST = "search"
_MODES: tuple[Mode, ...] = ("", "corrected", "relaxed")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the hits of a query.

    offset      hits to skip
    digest      of the query; see query_digest
    generation  index state of the page before
    mode        how the first page was answered; later pages are answered the same way
    """

    offset: int
    digest: str
    generation: str
    mode: Mode = ""

    def __str__(self) -> str:
        return write_cursor(_LIST, self.offset, self.digest, self.generation, self.mode)


def query_digest(text: str, filters: Mapping[str, tuple[str, ...]], sort: str) -> str:
    """Return a text that identifies a query; facets, limit and highlights may differ from page to page."""
    content = repr((text, sorted((name, sorted(values)) for name, values in filters.items()), sort))
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def decode_cursor(text: str, digest: str) -> Cursor:
    """Decode a cursor that belongs to this query.

    raises  Invalid  CURSOR_INVALID, PAGING_TOO_DEEP
    """
    cursor = Cursor(*read_cursor(text, _LIST, int, str, str, str))
    if cursor.digest != digest or cursor.offset < 1 or cursor.mode not in _MODES:
        raise cursor_invalid()
    if cursor.offset >= REACH:
        raise Invalid("PAGING_TOO_DEEP", most=REACH)
    return cursor
