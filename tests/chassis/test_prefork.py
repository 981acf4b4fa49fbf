"""A supervisor passes connections to its workers in turn and replaces workers that end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chassis.prefork_worker import NEW_IDS
from tests.conditions import eventually
from tests.conftest import CHECKOUT

COMMAND = (sys.executable, "-m", "tests.chassis.prefork_worker")


def start(workers: int, starts: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a supervisor whose workers write to this file that they have started; its name says how they go on."""
    environment = {**os.environ, "STARTS": str(starts)}
    return subprocess.Popen([*COMMAND, str(workers)], cwd=CHECKOUT, env=environment, **options)


class Running:
    """A supervisor with two workers."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([*COMMAND, "2"], cwd=CHECKOUT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.address = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def worker_id(self) -> int:
        """Id of the process that responds on a new connection."""
        return int(httpx.get(self.address, timeout=10).text)

    def worker_ids(self) -> set[int]:
        """Ids of the processes that respond on four new connections."""
        return {self.worker_id() for _ in range(4)}


@pytest.fixture
def running() -> Iterator[Running]:
    supervisor = Running()
    yield supervisor
    supervisor.process.terminate()
    supervisor.process.communicate(timeout=20)


def is_replaced(running: Running, *, without: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            workers = running.worker_ids()
            if len(workers) == 2 and without not in workers:
                return True
        time.sleep(0.05)
    return False


def test_eight_open_connections_are_shared_equally(running: Running) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=running.address)) for _ in range(8)]
        process_ids = [client.get("/").text for client in clients]
        assert sorted(Counter(process_ids).values()) == [4, 4]
        assert [client.get("/").text for client in clients] == process_ids


def test_a_killed_worker_is_replaced_while_the_other_continues(running: Running) -> None:
    # The client keeps its connection, however long the other worker takes to start.
    with httpx.Client(base_url=running.address, limits=httpx.Limits(keepalive_expiry=None)) as client:
        survivor = int(client.get("/").text)
        (victim,) = running.worker_ids() - {survivor}
        os.kill(victim, signal.SIGKILL)
        assert int(client.get("/").text) == survivor
        assert is_replaced(running, without=victim)
        assert int(client.get("/").text) == survivor


def test_workers_end_with_a_killed_supervisor(running: Running) -> None:
    workers = running.worker_ids()
    assert len(workers) == 2
    running.process.kill()
    eventually(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_workers_make_different_identifiers(running: Running) -> None:
    texts = [httpx.get(f"{running.address}/new-ids", timeout=10).text for _ in range(4)]
    # The random end alone, because the time at the beginning differs anyway.
    ends = [identifier[-12:] for text in texts for identifier in text.split()]
    assert len(ends) == len(set(ends)) == 4 * NEW_IDS


def test_a_running_request_ends_before_the_processes_stop(running: Running) -> None:
    statuses: list[int] = []
    request = threading.Thread(target=lambda: statuses.append(httpx.get(running.address + "/slow").status_code))
    request.start()
    time.sleep(0.25)
    running.process.send_signal(signal.SIGTERM)
    request.join(timeout=10)
    assert statuses == [200]
    assert running.process.wait(timeout=10) == 0


def test_a_worker_that_dies_at_its_start_is_not_restarted_in_a_busy_loop(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    process = start(1, starts)
    try:
        eventually(starts.exists)
        time.sleep(2)
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert 1 <= len(starts.read_text().splitlines()) <= 5


def test_a_worker_that_refuses_to_start_ends_the_supervisor_with_its_exit_code(tmp_path: Path) -> None:
    with start(2, tmp_path / "refused") as process:
        assert process.wait(timeout=30) == 3


def test_ctrl_c_while_workers_start_ends_all_without_a_traceback(tmp_path: Path) -> None:
    starts = tmp_path / "slow"
    process = start(2, starts, stderr=subprocess.PIPE, start_new_session=True)
    try:
        eventually(lambda: starts.exists() and len(starts.read_text().splitlines()) == 2)
        # As a terminal does: to all processes of the group.
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0
    assert b"Traceback" not in errors
