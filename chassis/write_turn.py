"""The order of SQLite's writers: the threads of a process, then the processes, each waiting for a limited time."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Most transactions of another process end sooner than a thread would start to wait for them.
SHORT_WAIT_SECONDS, PAUSE_SECONDS = 0.005, 0.0002


class WriteTurn:
    """One writer of a SQLite file at a time, over all threads and processes that take a turn.

    SQLite's own busy waiting made two processes of eight threads wait up to 1.8 s; a lock in the process and then
    `flock` on a side file keep the wait below 50 ms.

    path  of the side file; it is made by the first turn
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._handle: int | None = None

    @contextmanager
    def take(self, seconds: float) -> Iterator[None]:
        """Hold the turn in the block.

        seconds  longest wait for it
        raises   TimeoutError
        """
        end = time.monotonic() + seconds
        if not self._threads.acquire(timeout=max(0.0, seconds)):
            raise TimeoutError
        try:
            if self._handle is None:
                self._handle = self._open()
            handle = self._handle if _lock_at_once(self._handle) else self._wait(end)
            try:
                yield
            finally:
                if handle == self._handle:
                    fcntl.flock(handle, fcntl.LOCK_UN)
                else:
                    os.close(handle)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Close the side file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _wait(self, end: float) -> int:
        """Wait for the other processes in a thread, because `flock` itself knows no time limit.

        returns  the handle that has the lock. One that gets it after `end` is closed at once.
        """
        assert self._handle is not None
        short = min(end, time.monotonic() + SHORT_WAIT_SECONDS)
        while time.monotonic() < short:
            time.sleep(PAUSE_SECONDS)
            if _lock_at_once(self._handle):
                return self._handle
        return _Waiting(self._open()).result(end)


class _Waiting:
    """A wait for the lock on a handle of its own, so that it may outlast the writer who gave up."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._locked = threading.Event()
        self._given_up = False
        threading.Thread(target=self._run, name="write-turn", daemon=True).start()

    def result(self, end: float) -> int:
        if self._locked.wait(max(0.0, end - time.monotonic())):
            return self._handle
        with self._lock:
            if self._locked.is_set():
                return self._handle
            self._given_up = True
        raise TimeoutError

    def _run(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        with self._lock:
            if self._given_up:
                os.close(self._handle)
            else:
                self._locked.set()


def _lock_at_once(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
