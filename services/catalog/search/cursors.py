"""Cursors: opaque texts that store where the next page of a query begins, and the index state of the page before."""

from __future__ import annotations

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from chassis.errors import Invalid
from services.catalog.index.port import REACH
from services.catalog.search.execution import Mode

_HEAD = struct.Struct(">BH8s")
_MODES: dict[Mode, int] = {"": 0, "corrected": 0x80, "relaxed": 0x40}
_MODE_OF = {bits: mode for mode, bits in _MODES.items()}
_MODE_BITS = 0xC0
_FORM = 1
_LONGEST = 512


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the hits of a query.

    offset      hits to skip
    digest      of the query; see query_digest
    generation  index state of the page before
    mode        how the first page was answered; later pages are answered the same way
    """

    offset: int
    digest: bytes
    generation: str
    mode: Mode = ""

    def __str__(self) -> str:
        head = _HEAD.pack(_FORM | _MODES[self.mode], self.offset, self.digest)
        return urlsafe_b64encode(head + self.generation.encode()).decode().rstrip("=")


def query_digest(text: str, filters: Mapping[str, tuple[str, ...]], sort: str) -> bytes:
    """Return eight bytes that identify a query; facets, limit and highlights may differ from page to page."""
    content = repr((text, sorted((name, sorted(values)) for name, values in filters.items()), sort))
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def decode_cursor(text: str, digest: bytes) -> Cursor:
    """Decode a cursor that belongs to this query.

    raises  Invalid  CURSOR_FOREIGN, PAGING_TOO_DEEP
    """
    try:
        packed = urlsafe_b64decode(text[:_LONGEST] + "=" * (-len(text[:_LONGEST]) % 4))
        form, offset, cursor_digest = _HEAD.unpack_from(packed)
        generation = packed[_HEAD.size :].decode()
    except (binascii.Error, struct.error, ValueError):
        raise _cursor_foreign() from None
    mode = _MODE_OF.get(form & _MODE_BITS)
    if mode is None:
        raise _cursor_foreign()
    cursor = Cursor(offset, cursor_digest, generation, mode)
    if form & ~_MODE_BITS != _FORM or cursor_digest != digest or not offset or str(cursor) != text:
        raise _cursor_foreign()
    if offset >= REACH:
        raise Invalid("PAGING_TOO_DEEP", most=REACH)
    return cursor


def _cursor_foreign() -> Invalid:
    return Invalid("CURSOR_FOREIGN")
