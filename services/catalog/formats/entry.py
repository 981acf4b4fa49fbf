"""The input of an export format, and the format itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.catalog.marc.record import Record


@dataclass(frozen=True, slots=True)
class Entry:
    """One record with the catalogue's data about it.

    id           as text
    updated_at   aware UTC
    holdings     UTF-8 JSON list, one entry per branch
    source, institution   by code
    address      URL of the record's page; "" when the catalogue's public URL is not configured
    deleted_at   of a deleted record, which has d in leader position 05; None for others
    """

    record: Record
    id: str
    version: int
    updated_at: datetime
    holdings: bytes = b"[]"
    source: str = ""
    institution: str = ""
    address: str = ""
    deleted_at: datetime | None = None

    @classmethod
    def of_row(cls, row: Any, address: str) -> Entry:
        """Build the entry of a row of queries.select_records; `{id}` in the address is replaced by the record's id."""
        record, record_id = Record.unpack(row.marc), str(row.id)
        if row.deleted_at is not None:
            record.leader = f"{record.leader[:5]}d{record.leader[6:]}"
        return cls(
            record=record,
            id=record_id,
            version=row.version,
            updated_at=row.updated_at,
            holdings=row.holdings,
            source=row.source,
            institution=row.institution,
            address=address.replace("{id}", record_id),
            deleted_at=row.deleted_at,
        )


@dataclass(frozen=True, slots=True)
class Form:
    """An export format.

    media_type   HTTP media type
    document     writes one record as a document
    head, row, tail   parts of a collection; a row includes its line end
    Only the MARC formats raise NotSerialisable, for values they cannot hold; the others leave such values out.
    """

    media_type: str
    document: Callable[[Entry], bytes]
    row: Callable[[Entry], bytes]
    head: bytes = b""
    tail: bytes = b""
