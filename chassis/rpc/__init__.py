"""Calls of services, with the same interceptors over gRPC and inside one process."""

from __future__ import annotations

from typing import Any

from chassis.context import READER, Context


def context(grpc_context: Any) -> Context:
    """Return the chassis' context of a call (actor, language, deadline), for a servicer's method."""
    caller: Context = getattr(grpc_context, "rangkiang", READER)
    return caller


def leave_event_loop(grpc_context: Any) -> None:
    """Run an `inline` method again in a thread, from its beginning; a method calls this before slow work.

    Does nothing in a thread, and over gRPC, where every method runs in a thread.
    """
    getattr(grpc_context, "leave_event_loop", _nothing)()


def _nothing() -> None:
    pass
