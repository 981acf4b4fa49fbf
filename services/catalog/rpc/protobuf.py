"""The base of the servicer's parts, and conversions to protobuf messages that several parts use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.database.db import Database
from chassis.service import Resources
from services.catalog.index.port import Index
from services.catalog.record.holdings import with_full_codes

Reply = TypeVar("Reply", bound=Message)


class ServicerPart:
    """The resources that the parts of the servicer share."""

    def __init__(self, resources: Resources, index: Index) -> None:
        self._database: Database = resources.database
        self._settings = resources.settings
        self._index = index


def wire_moment(at: datetime) -> Timestamp:
    """Convert an aware UTC time."""
    moment = Timestamp()
    moment.FromDatetime(at)
    return moment


def moment_of(moment: Timestamp) -> datetime:
    """Convert to an aware UTC time."""
    return moment.ToDatetime(UTC)


def fill(message: Reply, value: object) -> Reply:
    """Set the fields of a message to the attributes with their names; a field stays unset where there is none.

    Holdings get the full codes of branches.
    """
    for field in message.DESCRIPTOR.fields:
        part = getattr(value, field.name, None)
        if part is None:
            continue
        if field.name == "holdings":
            part = with_full_codes(part)
        if field.message_type is None:
            if field.is_repeated:
                getattr(message, field.name).extend(part)
            else:
                setattr(message, field.name, str(part) if isinstance(part, UUID) else part)
        elif field.is_repeated:
            for entry in part:
                fill(getattr(message, field.name).add(), entry)
        else:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), part)
    return message
