"""Converts gRPC messages to shared response models."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.api.schemas import ClassOfTree, CountedValue, Text
from rangkiang.catalog.v1 import browsing_pb2, facets_pb2
from rangkiang.common.v1.text_pb2 import LocalText


def text(message: LocalText) -> Text:
    return Text(id=message.id, en=message.en)


def listed_record(message: browsing_pb2.Shown) -> dict[str, Any]:
    """Return the members of a ListedRecord."""
    return {
        "id": message.id,
        "record": orjson.Fragment(message.brief),
        "holdings": orjson.Fragment(message.holdings or b"[]"),
    }


def counted_value(message: facets_pb2.FacetValue) -> CountedValue:
    label = text(message.label) if message.HasField("label") else None
    return CountedValue(value=message.value, count=message.count, label=label, selected=message.selected)


def class_of_tree(message: browsing_pb2.Class) -> ClassOfTree:
    return ClassOfTree(
        value=message.value,
        notation=message.notation,
        caption=text(message.caption) if message.HasField("caption") else None,
        count=message.count,
        divided=message.divided,
    )
