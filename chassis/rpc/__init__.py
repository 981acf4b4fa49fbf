"""Calls of services, with the same interceptors over gRPC and inside one process."""

from __future__ import annotations

from typing import Any

from chassis.context import READER, Context


def context(grpc_context: Any) -> Context:
    """Return the chassis' context of a call (actor, language, deadline), for a servicer's method."""
    caller: Context = getattr(grpc_context, "rangkiang", READER)
    return caller
