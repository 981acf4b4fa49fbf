"""Admits one SQLite writer at a time, among all threads and processes; acts go before batches."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A wait without a thread first, because most transactions of other processes end before a thread would start.
SHORT_WAIT_SECONDS, PAUSE_SECONDS = 0.005, 0.0002
# How long a batch lets waiting acts go first; then it waits as an act does.
BATCH_WAIT_SECONDS, BATCH_PAUSE_SECONDS = 0.1, 0.001

_FLOCK = "hhqqi"  # struct flock: type, whence, start, length, process


class WriteTurn:
    """Admits one writer of a SQLite file at a time, among all threads and processes.

    With SQLite's own busy waiting, two processes of eight threads wait up to 1.8 s. With a lock in the process and then
    `flock` on a side file they wait less than 50 ms. A writer is an act, for which a person waits, or a batch.

    path  side file that is locked; the first turn creates it
    acts  side file that shows waiting acts; the first waiting act creates it
    """

    def __init__(self, path: Path, acts: Path) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._handle: int | None = None
        self._acts = _WaitingActs(acts)

    @classmethod
    def of(cls, database: Path) -> WriteTurn:
        """Return the turn of a database file; its side files have the name of the database and `.lock` or `.acts`."""
        return cls(database.with_name(database.name + ".lock"), database.with_name(database.name + ".acts"))

    @contextmanager
    def take(self, seconds: float, *, batch: bool = False) -> Iterator[None]:
        """Hold the turn in the block. The parameters and errors are those of `begin`."""
        turn = self.begin(seconds, batch=batch)
        try:
            yield
        finally:
            self.end(turn)

    def begin(self, seconds: float, *, batch: bool = False) -> int:
        """Take the turn. Returns a handle for `end`.

        seconds  longest wait for the turn
        batch    let acts of all processes go first, for at most BATCH_WAIT_SECONDS
        raises   TimeoutError
        """
        end = time.monotonic() + seconds
        handle = self._take_after_acts(end) if batch else self._take_at_once()
        if handle is None:
            with self._acts.waiting():
                handle = self._take(end)
        return handle

    def end(self, handle: int) -> None:
        """Give the turn back."""
        try:
            if handle == self._handle:
                fcntl.flock(handle, fcntl.LOCK_UN)
            else:
                os.close(handle)
        finally:
            self._threads.release()

    def acts_wait(self) -> bool:
        """Return whether an act of any process waits for its turn."""
        return self._acts.exist()

    def close(self) -> None:
        """Close the side files."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self._acts.close()

    def _take_after_acts(self, end: float) -> int | None:
        """Take the turn when it is free and no act waits; None if that takes too long."""
        end = min(end, time.monotonic() + BATCH_WAIT_SECONDS)
        while True:
            if not self._acts.exist() and (handle := self._take_at_once()) is not None:
                return handle
            if time.monotonic() >= end:
                return None
            time.sleep(BATCH_PAUSE_SECONDS)

    def _take_at_once(self) -> int | None:
        """Take the turn if it is free. Returns the locked handle, or None."""
        if not self._threads.acquire(blocking=False):
            return None
        is_taken = False
        try:
            handle = self._own_handle()
            is_taken = _lock_at_once(handle)
            return handle if is_taken else None
        finally:
            if not is_taken:
                self._threads.release()

    def _take(self, end: float) -> int:
        """Wait for the turn. Returns the locked handle. Raises TimeoutError."""
        if not self._threads.acquire(timeout=max(0.0, end - time.monotonic())):
            raise TimeoutError
        try:
            handle = self._own_handle()
            return handle if _lock_at_once(handle) else self._wait(handle, end)
        except BaseException:
            self._threads.release()
            raise

    def _own_handle(self) -> int:
        if self._handle is None:
            self._handle = self._open()
        return self._handle

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _wait(self, handle: int, end: float) -> int:
        """Wait for other processes in a thread, because `flock` has no time limit.

        returns  the handle with the lock; a handle that gets the lock after `end` is closed
        """
        short = min(end, time.monotonic() + SHORT_WAIT_SECONDS)
        while time.monotonic() < short:
            time.sleep(PAUSE_SECONDS)
            if _lock_at_once(handle):
                return handle
        return _LockWait(self._open()).result(end)


class _WaitingActs:
    """Shows all processes that acts of this process wait, by a read lock on a side file.

    It is a lock of an open file description, so a batch can test for it without a lock of its own. The kernel ends it
    when the process dies.

    path  path of the side file
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._count = 0
        self._own: int | None = None
        self._query: int | None = None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Show that an act waits, for the duration of the block."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def exist(self) -> bool:
        """Return whether acts of any process wait."""
        if self._count:
            return True
        if self._query is None:
            try:
                self._query = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
        return _record_lock(self._query, fcntl.F_OFD_GETLK, fcntl.F_WRLCK) != fcntl.F_UNLCK

    def close(self) -> None:
        for handle in (self._own, self._query):
            if handle is not None:
                os.close(handle)
        self._own = self._query = None

    def _add(self, change: int) -> None:
        with self._lock:
            before, self._count = self._count, self._count + change
            if not (before and self._count):
                if self._own is None:
                    self._own = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                _record_lock(self._own, fcntl.F_OFD_SETLK, fcntl.F_RDLCK if self._count else fcntl.F_UNLCK)


class _LockWait:
    """A wait for the lock in its own thread and on its own handle; it may last longer than the writer's time limit."""

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


def _record_lock(handle: int, command: int, kind: int) -> int:
    """Call fcntl with a `struct flock` for the whole file. Returns its type, as the kernel has changed it."""
    lock = fcntl.fcntl(handle, command, struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0))
    return int(struct.unpack(_FLOCK, lock)[0])
