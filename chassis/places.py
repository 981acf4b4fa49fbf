"""Limits the number of threads that compute at the same time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.context import Context
from chassis.errors import TooLate


class Places:
    """Admits `count` threads at a time, in the order of their requests.

    Python runs one thread at a time. A thread that has waited for the disk in a write turn waits up to 5 ms (1 ms in
    `up`) for each thread that computes: with 32 of these, a turn of 1 ms took 100 ms. threading.Semaphore is not used,
    because it may admit the thread that has just released it before threads that wait.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def take(self, context: Context) -> Iterator[None]:
        """Hold a place in the block.

        context  the call that waits; its deadline limits the wait
        raises   TooLate  DEADLINE_PASSED
        """
        self._enter(context)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, context: Context) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        seconds = context.remaining()
        if turn.acquire(timeout=-1 if seconds is None else max(0.0, seconds)):
            return
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
                raise TooLate("DEADLINE_PASSED")
        self._leave()  # the place was given after the timeout
        raise TooLate("DEADLINE_PASSED")

    def _leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()  # gives the place to the next thread
            else:
                self._free += 1
