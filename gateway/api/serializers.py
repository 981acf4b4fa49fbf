"""Messages of the wire that several answers show, as JSON."""

from __future__ import annotations

from typing import Any

import orjson

from rangkiang.catalog.v1 import browsing_pb2, catalog_pb2
from rangkiang.common.v1.text_pb2 import LocalText


def text_of(text: LocalText) -> dict[str, str]:
    return {"id": text.id, "en": text.en}


def shown(record: browsing_pb2.Shown) -> dict[str, Any]:
    """A record in a list, its stored JSON passed through."""
    return {
        "id": record.id,
        "record": orjson.Fragment(record.brief),
        "holdings": orjson.Fragment(record.holdings or b"[]"),
    }


def counted(value: catalog_pb2.FacetValue | browsing_pb2.CountedValue) -> dict[str, Any]:
    made: dict[str, Any] = {"value": value.value, "count": value.count, "selected": value.selected}
    if value.HasField("label"):
        made["label"] = text_of(value.label)
    return made


def a_class(found: browsing_pb2.Class) -> dict[str, Any]:
    made: dict[str, Any] = {
        "value": found.value,
        "notation": found.notation,
        "count": found.count,
        "divided": found.divided,
    }
    if found.HasField("caption"):
        made["caption"] = text_of(found.caption)
    return made
