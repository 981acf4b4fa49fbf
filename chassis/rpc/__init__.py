"""Calls of services, with the same interceptors over gRPC and inside one process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.context import READER, Context
from chassis.errors import Invalid


def context(grpc_context: Any) -> Context:
    """Return the chassis' context of a call (actor, language, deadline), for a servicer's method."""
    caller: Context = getattr(grpc_context, "rangkiang", READER)
    return caller


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Return a protobuf timestamp; None for None, which leaves the field unset."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def moment_of(message: Any, field: str) -> datetime | None:
    """Return the moment in a field; None when it is not set.

    raises  Invalid  MOMENT_INVALID
    """
    if not message.HasField(field):
        return None
    try:
        moment: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid("MOMENT_INVALID", field=field) from None
    return moment
