"""Lets the requests of a process of `up` go before its jobs, which compute in threads of the same interpreter.

A search gives the interpreter up about ten times. Beside a job that computes it waits each time until the job's turn
ends, so it takes several times as long.
"""

from __future__ import annotations

import threading
from typing import Any

_count = 0
_idle = threading.Event()
_idle.set()


class CountedRequests:
    """An ASGI application that counts the requests that its process serves at the moment."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Only the event loop's thread counts.
        global _count
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _count += 1
        _idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            _count -= 1
            if not _count:
                _idle.set()


def give_way(seconds: float) -> None:
    """Wait until this process serves no request, at most for `seconds`; for a job, between two small pieces of work.

    Without a limit a job would never end beside many requests.
    """
    _idle.wait(seconds)
