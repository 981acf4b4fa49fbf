"""Requests that the processes of `up` are answering now, so that jobs that compute can let them go first.

The processes share this memory, which exists before they are forked. Other processes have none, and their jobs never
wait.
"""

from __future__ import annotations

import sys
import time
from mmap import mmap
from typing import Any

from chassis.gc_tuning import TURN_SECONDS

# A request that takes longer mostly waits, for a client that reads slowly or for another service.
SHORT_SECONDS = 0.1
# Longest wait of a job at a time. After each wait it goes on for as long as it has waited, so beside many requests it
# has half of the time.
LONGEST_WAIT_SECONDS = 0.01
POLL_SECONDS = 0.001
# Turn of the interpreter while a job computes and no request is in progress: the event loop waits for two or three
# turns before it has read a request. Then threads take longer turns, so that the job interrupts the request less often.
ARRIVAL_TURN_SECONDS = 0.0002

_CELLS = 2  # of a process: the number of its requests, and the time at which the newest began
_CELL_BYTES = 8

_shared: memoryview[float] | None = None
_own = 0  # index of this process's first cell
_waits_again_at = 0.0  # of time.monotonic


def share(processes: int) -> None:
    """Make the memory for so many processes; call it before they are forked."""
    global _shared
    _shared = memoryview(mmap(-1, processes * _CELLS * _CELL_BYTES)).cast("d")


def take_place(number: int) -> None:
    """Use the place of this number in the shared memory. Its former process has ended, perhaps within a request."""
    global _own
    _own = number * _CELLS
    if _shared is not None:
        _shared[_own] = 0


class CountedRequests:
    """An ASGI application whose requests count as in progress."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if _shared is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _shared[_own + 1] = time.monotonic()
        _shared[_own] += 1
        sys.setswitchinterval(TURN_SECONDS)
        try:
            await self._app(scope, receive, send)
        finally:
            _shared[_own] -= 1


def is_any() -> bool:
    """Return whether a process is answering a request that began a short time ago."""
    if _shared is None:
        return False
    since = time.monotonic() - SHORT_SECONDS
    return any(_shared[cell] > 0 and _shared[cell + 1] > since for cell in range(0, len(_shared), _CELLS))


def give_way() -> None:
    """Wait until no request is in progress, at most LONGEST_WAIT_SECONDS.

    For a job, after each piece of computing. Not for use in a write turn, for which requests wait.
    """
    global _waits_again_at
    begun = now = time.monotonic()
    while _waits_again_at <= now < begun + LONGEST_WAIT_SECONDS and is_any():
        time.sleep(POLL_SECONDS)
        now = time.monotonic()
    if now > begun:
        _waits_again_at = now + (now - begun)
    if _shared is not None and not _shared[_own]:
        sys.setswitchinterval(ARRIVAL_TURN_SECONDS)
