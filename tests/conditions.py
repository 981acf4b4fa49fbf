"""Waits for a condition that another thread or process fulfils."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], *, seconds: float = 60) -> float:
    """Wait until the condition holds; return the seconds that it took. Fails after the timeout."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "the condition did not hold in time"
        time.sleep(0.02)
    return time.monotonic() - start
