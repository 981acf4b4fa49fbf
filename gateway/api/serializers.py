"""Messages as dictionaries, for files."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def plain(message: Message) -> dict[str, Any]:
    """Return every field of a message by name: messages as dicts, times as ISO 8601 in UTC, an unset time as None."""
    return {field.name: _plain_value(message, field) for field in message.DESCRIPTOR.fields}


def _plain_value(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if isinstance(value, Timestamp) and not message.HasField(field.name):
        return None
    return [_plain_message(item) for item in value] if field.is_repeated else _plain_message(value)


def _plain_message(message: Message) -> Any:
    if isinstance(message, Timestamp):
        return message.ToJsonString()
    return plain(message)
