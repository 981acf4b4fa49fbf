"""Copies of items for other services: the JSON of a copy, a digest to find changes, and the event with copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.events import emit_json
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import ItemsChanged
from services.catalog.items.availability import RecordFacts
from services.catalog.items.call_numbers import parse

MOST_ITEMS_A_FACT = 200


def copy_json(item_id: UUID, columns: Mapping[str, Any], *, record_id: UUID, facts: RecordFacts) -> bytes:
    """Return an ItemCopy without its version, as UTF-8 JSON: an import writes one an item, and a message is slower."""
    return orjson.dumps(
        {
            "id": item_id,
            "institution_id": columns["institution_id"],
            "barcode": columns["barcode"] or "",
            "record_id": record_id,
            "title": facts.title,
            "call_number": columns["call_number"],
            "enumeration": columns["enumeration"],
            "branch_id": columns["branch_id"],
            "collection": columns["collection"],
            "room": columns["room"],
            "status": columns["status"],
            "class": facts.class_number or _class_in(columns["call_number"]),
            "language": facts.language,
            "audience": facts.audience,
            "year": facts.year,
        }
    )


@lru_cache(maxsize=10_000)
def _class_in(call_number: str) -> str:
    """Return the class of a call number: three digits, or 2X with one more character; "" without one."""
    number = parse(call_number).class_number.upper()[:3] if call_number else ""
    return number.rstrip(".") if number.isdigit() or number.startswith("2X") else ""


def digest_of(copy: bytes) -> int:
    """Return a digest of a copy, for items.told."""
    return int.from_bytes(blake2b(copy, digest_size=8).digest(), signed=True)


def with_version(copy: bytes, version: int, *, gone: bool = False) -> bytes:
    """Add the version to the JSON of a copy."""
    return b'{"version":%d,%s%s' % (version, b'"gone":true,' if gone else b"", copy[1:])


def emit_items(session: Session, copies: Sequence[bytes], *, context: Context) -> None:
    """Publish items that are new, changed or gone.

    copies  UTF-8 JSON of ItemCopy, each with its version
    emits   ItemsChanged, of at most MOST_ITEMS_A_FACT items
    """
    for at in range(0, len(copies), MOST_ITEMS_A_FACT):
        body = b'{"items":[%s]}' % b",".join(copies[at : at + MOST_ITEMS_A_FACT])
        emit_json(session, ItemsChanged, body.decode(), aggregate_id=f"items:{new_id()}", version=1, context=context)
