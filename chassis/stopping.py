"""Ends a stopping process after a bounded time, even if something in it hangs."""

from __future__ import annotations

import logging
import os
import signal
import threading

log = logging.getLogger(__name__)

UNWELL = 1  # exit code of a process that did not stop by itself


def end_within(seconds: float) -> None:
    """End this process after `seconds`, unless it ends before; call it in the main thread, in a signal handler.

    It uses a timer of the kernel, which needs no thread and no lock: the signal may have interrupted a lock's holder.
    """
    signal.signal(signal.SIGALRM, lambda *_: _end())
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _end() -> None:
    try:
        names = sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        log.warning("stop_forced", extra={"threads": names})
    finally:
        os._exit(UNWELL)
