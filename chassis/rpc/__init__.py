"""How services are called: one set of interceptors, over gRPC or inside one process."""

from __future__ import annotations

from typing import Any

from chassis.context import READER, Context


def context(grpc_context: Any) -> Context:
    """Who asks, in which language and until when: for a servicer's method, from the context it was called with."""
    found: Context = getattr(grpc_context, "rangkiang", READER)
    return found
