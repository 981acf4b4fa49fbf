"""What a form is written of, and what a form is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.catalog.marc.record import Record


@dataclass(frozen=True, slots=True)
class Entry:
    """One record with what the catalogue knows of it beside its MARC.

    id           as text
    updated_at   aware UTC
    holdings     UTF-8 JSON list, an entry a branch (document.holdings)
    source, institution   by code
    address      of the record's page; "" when nobody has said where this catalogue is
    """

    record: Record
    id: str
    version: int
    updated_at: datetime
    holdings: bytes = b"[]"
    source: str = ""
    institution: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write a record down.

    media_type   as HTTP names it
    ending       of a file's name, without the dot
    alone        one record as a document of its own
    head, row, tail   the same in a collection; a row ends itself
    Writing raises Unserialisable only in the MARC forms, for what they cannot hold; the others leave such things out.
    """

    media_type: str
    ending: str
    alone: Callable[[Entry], bytes]
    row: Callable[[Entry], bytes]
    head: bytes = b""
    tail: bytes = b""
