"""Wakes threads that wait for work when any process has written to a database, so that they need not poll."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.engine import URL

from chassis.db import Database
from chassis.ids import new_id

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

CHANNEL = "rangkiang_wake"
# Shortest time between two NOTIFY. Another connection sends them, because in a writer's transaction they halve its
# rate.
NOTIFY_EVERY_SECONDS = 0.005
RECONNECT_SECONDS = 1.0
STOP_POLL_SECONDS = 0.5

_announced: weakref.WeakSet[Database] = weakref.WeakSet()


class Wake(Protocol):
    """A connection on which one thread waits for writes; each waiting thread opens its own."""

    def wait(self, seconds: float) -> bool:
        """Wait until a transaction has written since the last call; return False after `seconds` without one."""
        ...

    def close(self) -> None: ...


def wait_until(stop: threading.Event, wake: Wake, seconds: float) -> None:
    """Wait for a write, at most `seconds`; return within half a second after `stop` is set."""
    end = time.monotonic() + seconds
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        if wake.wait(min(left, STOP_POLL_SECONDS)):
            return


def announce_commits(database: Database) -> None:
    """Wake waiting threads of all processes after each write of this process. A second call does nothing."""
    database = database.origin
    if database in _announced:
        return
    _announced.add(database)
    database.after_commit((_Datagrams(database) if database.is_sqlite else _Notifier(database)).announce)


def open_wake(database: Database) -> Wake:
    """Open a Wake for one thread; writes of this process wake it too."""
    announce_commits(database)
    return _SocketWake(database) if database.is_sqlite else _ListenWake(database.url)


def _sockets(database: Database) -> Path:
    """Return the folder beside a SQLite file with one datagram socket for each waiting thread of any process."""
    folder = Path(f"{database.url.database}.wake")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


class _Datagrams:
    """Sends one datagram to each waiting thread after a transaction that wrote."""

    def __init__(self, database: Database) -> None:
        # The address of a socket has at most 107 bytes, so the path goes through the handle of the open folder.
        self._folder = os.open(_sockets(database), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        weakref.finalize(database, _close, self._folder, self._socket)

    def announce(self) -> None:
        for name in os.listdir(self._folder):
            try:
                self._socket.sendto(b"", f"/proc/self/fd/{self._folder}/{name}")
            except BlockingIOError:
                continue  # its queue is full, so it will wake
            except ConnectionRefusedError:
                # Its process died.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._folder)
            except FileNotFoundError:
                continue


class _SocketWake:
    def __init__(self, database: Database) -> None:
        folder = _sockets(database)
        self._path = folder / new_id().hex
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._socket.bind(f"/proc/self/fd/{handle}/{self._path.name}")
        finally:
            os.close(handle)

    def wait(self, seconds: float) -> bool:
        readable, _, _ = select.select([self._socket], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(1)
        return bool(readable)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        self._socket.close()


class _Notifier:
    """Sends one NOTIFY for all commits since the last NOTIFY, from a thread with its own connection."""

    def __init__(self, database: Database) -> None:
        self._url = database.url
        self._committed = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        weakref.finalize(database, self._stop_sending, self._stop, self._committed)

    def announce(self) -> None:
        self._committed.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._send, name="wake", daemon=True)
                    self._thread.start()

    @staticmethod
    def _stop_sending(stop: threading.Event, committed: threading.Event) -> None:
        stop.set()
        committed.set()

    def _send(self) -> None:
        import psycopg

        from chassis.postgres import open_connection

        connection: psycopg.Connection[Any] | None = None
        while True:
            self._committed.wait()
            if self._stop.is_set():
                break
            self._committed.clear()
            try:
                if connection is None:
                    connection = open_connection(self._url)
                connection.execute(f"NOTIFY {CHANNEL}".encode())
            except psycopg.Error as problem:
                # Not logged, because waiting threads also check by themselves, and the outage itself is logged once.
                log.debug("wake_not_sent", extra={"reason": type(problem).__name__})
                _close_connection(connection)
                connection = None
                self._stop.wait(RECONNECT_SECONDS)
            self._stop.wait(NOTIFY_EVERY_SECONDS)
        _close_connection(connection)


class _ListenWake:
    def __init__(self, url: URL) -> None:
        import psycopg

        self._url, self._error = url, psycopg.Error
        self._connection: psycopg.Connection[Any] | None = None
        with contextlib.suppress(self._error):
            self._listen()

    def wait(self, seconds: float) -> bool:
        start = time.monotonic()
        try:
            return bool(list(self._listen().notifies(timeout=seconds, stop_after=1)))
        except self._error as problem:
            log.debug("wake_not_received", extra={"reason": type(problem).__name__})
            self.close()
            time.sleep(max(0.0, min(seconds, RECONNECT_SECONDS) - (time.monotonic() - start)))
            return False

    def close(self) -> None:
        _close_connection(self._connection)
        self._connection = None

    def _listen(self) -> psycopg.Connection[Any]:
        # A local import, because the embedded edition starts without psycopg.
        from chassis.postgres import open_connection

        if self._connection is None:
            self._connection = open_connection(self._url)
            self._connection.execute(f"LISTEN {CHANNEL}".encode())
        return self._connection


def _close_connection(connection: psycopg.Connection[Any] | None) -> None:
    if connection is not None:
        connection.close()


def _close(folder: int, sender: socket.socket) -> None:
    os.close(folder)
    sender.close()
