"""The library continues with many idle connections, too few file handles and workers that do not read."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conditions import eventually
from tests.faults.imports import Store, embedded, kill_session, write_records
from tests.faults.test_import_beside_up import Up

HALF_OPEN = 2_000
SPARE_HANDLES = 12


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with embedded(tmp_path) as running:
        yield running


def _connect(up: Up, *, source: str = "127.0.0.1") -> socket.socket:
    parts = urlsplit(up.address)
    assert parts.hostname
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=5, source_address=(source, 0))


def _get(up: Up, *, source: str) -> int:
    """Ask for a search from this address of the loopback; return the status."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address=source), timeout=10) as client:
        return client.get(f"{up.address}/api/v1/search").status_code


def test_half_open_connections_of_one_address_leave_the_others_served(store: Store) -> None:
    up = Up(store)
    connections = []
    try:
        for number in range(HALF_OPEN):
            with suppress(OSError):
                connections.append(_connect(up))
                connections[-1].sendall(b"GET / HTTP/1.1\r\n")
            if number % 100 == 0:
                assert _get(up, source="127.0.0.2") == 200
        assert [_get(up, source="127.0.0.3") for _ in range(20)] == [200] * 20
        assert up.process.poll() is None
    finally:
        for connection in connections:
            connection.close()
        kill_session(up.process)


def test_a_lack_of_file_handles_ends_neither_the_supervisor_nor_a_job(store: Store, tmp_path: Path) -> None:
    store.environment["CONNECTIONS_PER_ADDRESS"] = "0"
    up = Up(store)
    try:
        limits = {pid: _handles(pid) + SPARE_HANDLES for pid in (up.process.pid, *up.workers())}
        for pid, most in limits.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
        connections = [_connect(up) for _ in range(20 * SPARE_HANDLES)]
        answers: list[bytes] = []

        def most_are_refused() -> bool:
            answers.extend(_answers(connections))
            return len(answers) > 10 * SPARE_HANDLES

        eventually(most_are_refused)
        # A connection that got one of the last handles is served: it sends nothing, and ends with 408 after a while.
        refusals = [answer for answer in answers if not answer.startswith(b"HTTP/1.1 408 ")]
        assert len(answers) - len(refusals) <= len(limits) * SPARE_HANDLES
        assert {answer.split(b"\r\n")[0] for answer in refusals} == {b"HTTP/1.1 503 Service Unavailable"}
        assert all(b"\r\nretry-after: 2\r\n" in answer for answer in refusals)
        path, _ = write_records(tmp_path, 50)
        import_process = store.start_import(path)
        import_process.communicate(timeout=90)
        assert import_process.returncode == 0
        assert up.process.poll() is None
        for connection in connections:
            connection.close()
        eventually(lambda: _total(up) == 50, seconds=30)
        assert up.process.poll() is None
    finally:
        kill_session(up.process)


def test_workers_that_do_not_read_end_nothing(store: Store) -> None:
    store.environment["CONNECTIONS_PER_ADDRESS"] = "0"
    up = Up(store)
    workers = up.workers()
    try:
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        connections = []
        for _ in range(800):  # more than the channels of the workers hold; the rest stays in the backlog
            with suppress(OSError):
                connections.append(_connect(up))
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        with closing(connections[0]) as first:
            first.sendall(b"GET /api/v1/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            assert first.recv(100).startswith(b"HTTP/1.1 200")
        eventually(lambda: _get(up, source="127.0.0.2") == 200)
        for connection in connections:
            connection.close()
        assert up.process.poll() is None
        assert up.workers() == workers
    finally:
        kill_session(up.process)


def _answers(connections: list[socket.socket]) -> list[bytes]:
    """What connections have received since the last look."""
    answers = []
    for connection in connections:
        connection.setblocking(False)
        with suppress(BlockingIOError):
            answers.append(connection.recv(1000))
    return [answer for answer in answers if answer]


def _handles(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _total(up: Up) -> int:
    with suppress(httpx.HTTPError, KeyError):  # also while no file handle is free
        return up.total()
    return -1
