"""An import while processes of the running library are killed: no record is lost, and the library recovers."""

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

from tests.conditions import eventually
from tests.faults.imports import Store, assert_complete, embedded, kill_session, write_records

RECORDS = 6_000
REPLACED_SECONDS = 2.0


class Up:
    """A running `up --workers 2` on a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.process = store.start("up", "--workers", "2", "--json")
        assert self.process.stdout is not None
        self.address = json.loads(self.process.stdout.readline())["address"]

    def workers(self) -> list[int]:
        """Ids of the supervisor's running children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split() if _is_running(int(child))]

    def holder(self, role: str = "index") -> int:
        """Id of the process that holds a lease; 0 without a holder."""
        path = Path(f"{self.store.database_url.removeprefix('sqlite:///')}.{role}.lease")
        content = path.read_text().strip()
        return int(content) if content and _is_running(int(content)) else 0

    def total(self) -> int:
        total: int = httpx.get(f"{self.address}/api/v1/search", timeout=10, verify=False).json()["total"]
        return total


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with embedded(tmp_path) as store:
        library = Up(store)
        yield library
        kill_session(library.process)


def test_the_lease_holder_is_killed_during_an_import(up: Up, tmp_path: Path) -> None:
    path, records = write_records(tmp_path, RECORDS)
    eventually(lambda: up.holder() in up.workers())
    import_process = up.store.start_import(path)
    eventually(lambda: up.total() > 0, seconds=30)
    old_holder = up.holder()
    assert old_holder  # 0 is the group of this process
    os.kill(old_holder, signal.SIGKILL)
    assert eventually(lambda: up.holder() not in (0, old_holder)) < REPLACED_SECONDS
    output, errors = import_process.communicate(timeout=90)
    assert import_process.returncode == 0, errors.decode()[-2000:]
    summary = json.loads(output.splitlines()[-1])
    assert (summary["read"], summary["created"], summary["put_aside"]) == (RECORDS, RECORDS, 0)
    eventually(lambda: len(up.workers()) == 2)
    assert_complete(up.store, records)
    # Each worker responds, including the new one.
    eventually(lambda: [_total_or_refusal(up) for _ in range(4)] == [RECORDS] * 4)


def _total_or_refusal(up: Up) -> int:
    with suppress(httpx.HTTPError):
        return up.total()
    return -1


def test_workers_end_when_their_supervisor_is_killed(up: Up) -> None:
    workers = up.workers()
    assert len(workers) == 2
    os.kill(up.process.pid, signal.SIGKILL)
    eventually(lambda: not any(map(_is_running, workers)))
    with pytest.raises(httpx.TransportError):
        up.total()


def test_a_stopped_supervisor_ends_its_workers_and_exits_with_zero(up: Up) -> None:
    workers = up.workers()
    up.process.send_signal(signal.SIGTERM)
    try:
        assert up.process.wait(timeout=20) == 0
    except subprocess.TimeoutExpired:
        pytest.fail("it did not stop")
    assert not any(map(_is_running, workers))
