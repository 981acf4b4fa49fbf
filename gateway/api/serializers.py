"""Conversion of gRPC messages to response models."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.schemas import ClassOfTree, CountedValue, Text
from rangkiang.catalog.v1 import browsing_pb2, facets_pb2
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
    values: dict[str, Any] = {}
    for name, read in _fields_of(message.DESCRIPTOR):
        value = getattr(message, name)
        values[name] = value if read is None else read(message, name, value)
    return values


_Read = Callable[[Message, str, Any], Any]


@lru_cache(maxsize=256)
def _fields_of(descriptor: Any) -> tuple[tuple[str, _Read | None], ...]:
    """Return the name of each field and what converts its value; None for a value that stays as it is."""
    return tuple((field.name, _read_of(field)) for field in descriptor.fields)


def _read_of(field: Any) -> _Read | None:
    if field.message_type is None:
        return (lambda _message, _name, values: list(values)) if field.is_repeated else None
    if field.is_repeated:
        return lambda _message, _name, values: [_plain_message(value) for value in values]
    if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
        return lambda message, name, time: time.ToJsonString() if message.HasField(name) else None
    return lambda _message, _name, value: plain(value)


def _plain_message(message: Message) -> Any:
    if isinstance(message, Timestamp):
        return message.ToJsonString()
    return plain(message)
