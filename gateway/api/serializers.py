"""Conversion of gRPC messages to response models."""

from __future__ import annotations

from typing import Any

import orjson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.schemas import ClassOfTree, CountedValue
from rangkiang.catalog.v1 import browsing_pb2, facets_pb2
from rangkiang.common.v1.models import Text
from rangkiang.common.v1.text_pb2 import LocalText


def text(message: LocalText) -> Text:
    return Text(id=message.id, en=message.en)


def listed_record(message: browsing_pb2.Shown) -> dict[str, Any]:
    """Return the fields of a ListedRecord."""
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
        under=text(message.under) if message.HasField("under") else None,
        count=message.count,
        divided=message.divided,
    )


def plain(message: Message) -> dict[str, Any]:
    """Return every field of a message by name: messages as dicts, times as ISO 8601 in UTC, an unset time as None."""
    return {field.name: _plain_value(message, field) for field in message.DESCRIPTOR.fields}


def _plain_value(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if isinstance(value, Timestamp) and not message.HasField(field.name):
        return None
    return [_plain_message(one) for one in value] if field.is_repeated else _plain_message(value)


def _plain_message(message: Message) -> Any:
    if isinstance(message, Timestamp):
        return message.ToJsonString()
    return plain(message)
