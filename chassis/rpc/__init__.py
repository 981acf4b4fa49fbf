"""Calls of services, with the same interceptors over gRPC and inside one process."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.context import READER, Context


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
