"""An import beside a running library whose processes are killed: nothing is lost, and the library heals by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.faults.imports import Store, embedded, eventually, everything_is_there_once, stopped, written

RECORDS = 6_000
REPLACED_SECONDS = 2.0


class Up:
    """`up --workers 2` on a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.process = store.start("up", "--workers", "2", "--json")
        assert self.process.stdout is not None
        self.address = json.loads(self.process.stdout.readline())["address"]

    def workers(self) -> list[int]:
        """The supervisor's living children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split() if _lives(int(child))]

    def holder(self, role: str = "index") -> int:
        """Which process holds a lease, as its file says; 0 when none does."""
        path = Path(f"{self.store.database_url.removeprefix('sqlite:///')}.{role}.lease")
        said = path.read_text().strip()
        return int(said) if said and _lives(int(said)) else 0

    def total(self) -> int:
        found: int = httpx.get(f"{self.address}/api/v1/search", timeout=10).json()["total"]
        return found


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with embedded(tmp_path) as store:
        running = Up(store)
        yield running
        stopped(running.process)


def test_the_lease_holder_is_killed_while_an_import_runs_beside_it(up: Up, tmp_path: Path) -> None:
    path, records = written(tmp_path, RECORDS)
    eventually(lambda: up.holder() in up.workers())
    importing = up.store.start_import(path)
    eventually(lambda: up.total() > 0, seconds=30)
    first = up.holder()
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: up.holder() not in (0, first)) < REPLACED_SECONDS
    said, complaints = importing.communicate(timeout=90)
    assert importing.returncode == 0, complaints.decode()[-2000:]
    counts = json.loads(said.splitlines()[-1])
    assert (counts["read"], counts["created"], counts["put_aside"]) == (RECORDS, RECORDS, 0)
    eventually(lambda: len(up.workers()) == 2)
    everything_is_there_once(up.store, records)
    # Each of the workers answers, the new one too.
    eventually(lambda: [_total_or_refusal(up) for _ in range(4)] == [RECORDS] * 4)


def _total_or_refusal(up: Up) -> int:
    with suppress(httpx.HTTPError):
        return up.total()
    return -1


def test_workers_end_when_their_supervisor_is_killed(up: Up) -> None:
    workers = up.workers()
    assert len(workers) == 2
    os.kill(up.process.pid, signal.SIGKILL)
    eventually(lambda: not any(map(_lives, workers)), seconds=15)
    with pytest.raises(httpx.TransportError):
        up.total()


def test_a_told_supervisor_ends_its_workers_and_says_so_with_zero(up: Up) -> None:
    workers = up.workers()
    up.process.send_signal(signal.SIGTERM)
    try:
        assert up.process.wait(timeout=20) == 0
    except subprocess.TimeoutExpired:
        pytest.fail("it did not stop")
    assert not any(map(_lives, workers))
