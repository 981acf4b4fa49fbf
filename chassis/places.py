"""A limit for threads that compute: so many at a time, the first that comes first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.context import Context
from chassis.errors import TooLate


class Places:
    """Admits `count` threads at a time, in the order in which they come.

    Python runs one thread at a time. A thread that waits for the disk in a write turn gets the interpreter back after
    up to 5 ms (1 ms in `up`) for each thread that computes: with 32 of them a turn of 1 ms took 100 ms.
    threading.Semaphore lets the thread that has just left in again.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def take(self, context: Context) -> Iterator[None]:
        """Hold a place in the block.

        context  its deadline limits the wait
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
        self._leave()  # the place came just then
        raise TooLate("DEADLINE_PASSED")

    def _leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()  # the place passes to the next thread
            else:
                self._free += 1
