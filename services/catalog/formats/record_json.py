"""The API's JSON: the brief record of lists and the full record of its page."""

from __future__ import annotations

from datetime import UTC

import orjson

from services.catalog.formats.entry import Entry
from services.catalog.record.brief import brief
from services.catalog.record.display import display


def brief_json(entry: Entry) -> bytes:
    """Write `{"id", "record", "holdings"}` with the brief record."""
    return orjson.dumps(
        {
            "id": entry.id,
            "record": brief(entry.record, institution=entry.institution),
            "holdings": orjson.Fragment(entry.holdings or b"[]"),
        }
    )


def full_json(entry: Entry) -> bytes:
    """Write `{"id", "version", "record", "holdings", "updated_at", "source", "institution"}` with the full record."""
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
