"""Ends a process that was asked to stop in a bounded time, whatever hangs in it."""

from __future__ import annotations

import logging
import os
import signal
import threading

log = logging.getLogger(__name__)

UNWELL = 1  # exit code: stopped, but not by its own steps


def end_within(seconds: float) -> None:
    """End this process after `seconds`, unless it ends before; for the main thread, in the handler of a signal.

    A timer of the kernel needs no thread and no lock, which the handler may have interrupted.
    """
    signal.signal(signal.SIGALRM, lambda *_: _end())
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _end() -> None:
    try:
        names = sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        log.warning("stop_forced", extra={"threads": names})
    finally:
        os._exit(UNWELL)
