"""Waits for a condition that another thread or process fulfils."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.25


def eventually(condition: Callable[[], object], *, seconds: float = 60) -> float:
    """Wait until the condition holds; return the seconds that it took. Fails after the timeout.

    The pauses grow, because a condition often takes more time than a pause, in this process and in the one it asks.
    """
    start, pause = time.monotonic(), FIRST_PAUSE_SECONDS
    while not condition():
        assert time.monotonic() - start < seconds, "the condition did not hold in time"
        time.sleep(pause)
        pause = min(pause * 1.2, LONGEST_PAUSE_SECONDS)
    return time.monotonic() - start
