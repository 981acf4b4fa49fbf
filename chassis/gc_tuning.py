"""Sets how often Python collects garbage, how often its threads take turns, and how their memory is allocated."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

# Thresholds of the three generations. Python's first threshold, 700, causes many collections in every batch of an
# import; 50,000 is no faster and leaves 20 MB more garbage.
YOUNG, MIDDLE, OLD = 10_000, 20, 50
# Python's default is 5 ms. A search releases the interpreter about ten times, so beside a job that computes it would
# take 50 ms and more, for minutes after each large import. With this value the job is a tenth slower.
TURN_SECONDS = 0.001
# Of glibc's mallopt.
_M_MMAP_THRESHOLD = -3


def take_short_turns() -> None:
    """Let the threads take turns often, in a process that serves and runs jobs."""
    sys.setswitchinterval(TURN_SECONDS)


def tune_gc() -> None:
    """Exclude all present objects from collections, and collect others less often; call it after a process has started.

    Reference counts free nearly all objects. With Python's default an import takes a tenth longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


def return_large_blocks() -> None:
    """Return blocks of a megabyte and more to the system when they are freed; glibc keeps up to 32 MB in each heap."""
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)
