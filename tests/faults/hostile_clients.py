"""Clients of one address that attack: half-open connections, endless headers, requests sent ahead and never read.

Beside them the searches of another address are timed, and the memory of the workers is measured.

python -m tests.faults.hostile_clients ADDRESS COUNT    half-open connections until stdin ends; prints their number
"""

from __future__ import annotations

import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from tests.conftest import CHECKOUT

HALF_OPEN = 2_000
SOURCE = "127.0.0.9"
SEARCHES = 500


class Latency(NamedTuple):
    """Milliseconds of searches of one client."""

    p50: float
    p99: float

    def __str__(self) -> str:
        return f"p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms"


class HalfOpenConnections:
    """Holds connections that sent half a request; each second it opens those again that the server has closed.

    It is a process of its own: in a thread beside the client that measures, both would wait for one another.
    """

    def __init__(self, address: str, count: int = HALF_OPEN) -> None:
        self._command = [sys.executable, "-m", "tests.faults.hostile_clients", address, str(count)]
        self.opened = 0

    def __enter__(self) -> HalfOpenConnections:
        self._process = subprocess.Popen(self._command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # when it has opened each once
        return self

    def __exit__(self, *_raised: object) -> None:
        output, _ = self._process.communicate(timeout=30)
        self.opened = int(output)


def hold_half_open(address: str, count: int) -> None:
    """Keep `count` half-open connections until stdin ends."""
    parts = urlsplit(address)
    server = (parts.hostname or "", parts.port or 80)
    connections: list[socket.socket | None] = [None] * count
    opened = rounds = 0
    while True:
        for place, connection in enumerate(connections):
            if connection is None or _is_closed(connection):
                connections[place] = _half_open(server)
                opened += connections[place] is not None
        if not rounds:
            print("open", flush=True)
        rounds += 1
        if select.select([sys.stdin], [], [], 1)[0]:
            print(opened, flush=True)
            return


def _half_open(server: tuple[str, int]) -> socket.socket | None:
    try:
        connection = socket.create_connection(server, timeout=5, source_address=(SOURCE, 0))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
    except OSError:
        return None
    return connection


class Inert:
    """A server that closes each connection at once: what an attack on it costs others is the attacker's own work."""

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=HALF_OPEN)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _INERT, str(self._listener.fileno())], pass_fds=[self._listener.fileno()]
        )
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_raised: object) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.close()


_INERT = """
import socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
while True:
    listener.accept()[0].close()
"""


class Senders:
    """Send bytes without an end and read nothing, each sender on one connection at a time.

    start   the bytes before
    repeat  sent again and again
    """

    def __init__(self, address: str, *, start: bytes, repeat: bytes, count: int = 8) -> None:
        parts = urlsplit(address)
        self._server = (parts.hostname or "", parts.port or 80)
        self._start, self._repeat = start, repeat
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(count)]

    def _send(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError), socket.create_connection(self._server, 5, (SOURCE, 0)) as connection:
                connection.settimeout(1)
                connection.sendall(self._start)
                while not self._stop.is_set():
                    connection.sendall(self._repeat)
            self._stop.wait(0.05)

    def __enter__(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def endless_headers(address: str) -> Senders:
    return Senders(address, start=b"GET / HTTP/1.1\r\nHost: a\r\n", repeat=b"X-A: " + b"a" * 4_000 + b"\r\n")


def unread_pipeline(address: str) -> Senders:
    return Senders(address, start=b"", repeat=b"GET /api/v1/search?q=buku HTTP/1.1\r\nHost: a\r\n\r\n" * 100)


def _is_closed(connection: socket.socket) -> bool:
    """Return True when the server has closed the connection; it answers nothing before."""
    connection.setblocking(False)
    try:
        closed = connection.recv(4_096) == b""
    except BlockingIOError:
        return False
    except OSError:
        closed = True
    if closed:
        with suppress(OSError):
            connection.close()
    return closed


def search_latency(address: str, *, source: str = "127.0.0.2", count: int = SEARCHES) -> Latency:
    """Search `count` times, each time on a new connection; a refusal fails.

    source  the client's address, in the loopback's network
    """
    milliseconds = []
    for _ in range(count):
        with httpx.Client(transport=httpx.HTTPTransport(local_address=source, verify=False), timeout=10) as client:
            start = time.perf_counter()
            response = client.get(f"{address}/api/v1/search", params={"q": "buku"})
            milliseconds.append(1_000 * (time.perf_counter() - start))
        response.raise_for_status()
    return Latency(statistics.median(milliseconds), statistics.quantiles(milliseconds, n=100)[98])


if __name__ == "__main__":
    hold_half_open(sys.argv[1], int(sys.argv[2]))
