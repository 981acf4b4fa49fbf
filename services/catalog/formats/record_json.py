"""JSON as the API gives it: a record in short as lists show it, and in full as its page does."""

from __future__ import annotations

from datetime import UTC

import orjson

from services.catalog.formats.entry import Entry
from services.catalog.record.brief import brief
from services.catalog.record.display import display


def brief_json(entry: Entry) -> bytes:
    """`{"id", "record", "holdings"}`, the record as in a list of hits."""
    return orjson.dumps(
        {
            "id": entry.id,
            "record": brief(entry.record, institution=entry.institution),
            "holdings": orjson.Fragment(entry.holdings or b"[]"),
        }
    )


def full_json(entry: Entry) -> bytes:
    """`{"id", "version", "record", "holdings", "updated_at", "source", "institution"}`, the record as on its page."""
    return orjson.dumps(
        {
            "id": entry.id,
            "version": entry.version,
            "record": display(entry.record, institution=entry.institution, source=entry.source),
            "holdings": orjson.Fragment(entry.holdings or b"[]"),
            "updated_at": entry.updated_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "source": entry.source,
            "institution": entry.institution,
        }
    )
