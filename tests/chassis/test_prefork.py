"""A parent process passes connections to its workers in turn, and keeps their number."""

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

import httpx
import pytest

from tests.conftest import CHECKOUT

COMMAND = (sys.executable, "-m", "tests.chassis.prefork_worker", "supervise")


class Running:
    """A supervisor with two workers."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([*COMMAND, "2"], cwd=CHECKOUT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.address = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def ask(self) -> int:
        """Number of the process that answers a fresh connection."""
        return int(httpx.get(self.address, timeout=10).text)

    def answering(self) -> set[int]:
        """Numbers of the processes that answer four fresh connections."""
        return {self.ask() for _ in range(4)}


@pytest.fixture
def running() -> Iterator[Running]:
    supervised = Running()
    yield supervised
    supervised.process.terminate()
    supervised.process.communicate(timeout=20)


def eventually_two(running: Running, *, without: int) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(httpx.HTTPError):
            workers = running.answering()
            if len(workers) == 2 and without not in workers:
                return True
        time.sleep(0.05)
    return False


def test_eight_kept_connections_fall_four_and_four(running: Running) -> None:
    with ExitStack() as kept:
        clients = [kept.enter_context(httpx.Client(base_url=running.address)) for _ in range(8)]
        first = [client.get("/").text for client in clients]
        assert sorted(Counter(first).values()) == [4, 4]
        assert [client.get("/").text for client in clients] == first


def test_a_killed_worker_is_replaced_while_the_other_goes_on(running: Running) -> None:
    with httpx.Client(base_url=running.address) as kept:
        survivor = int(kept.get("/").text)
        (victim,) = running.answering() - {survivor}
        os.kill(victim, signal.SIGKILL)
        assert int(kept.get("/").text) == survivor
        assert eventually_two(running, without=victim)
        assert int(kept.get("/").text) == survivor


def test_a_request_under_way_is_answered_before_the_processes_stop(running: Running) -> None:
    answers: list[int] = []
    request = threading.Thread(target=lambda: answers.append(httpx.get(running.address + "/slow").status_code))
    request.start()
    time.sleep(0.25)
    running.process.send_signal(signal.SIGTERM)
    request.join(timeout=10)
    assert answers == [200]
    assert running.process.wait(timeout=10) == 0


def test_a_worker_that_dies_at_its_start_is_not_restarted_in_a_busy_loop(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    process = subprocess.Popen(
        [*COMMAND, "1"],
        cwd=CHECKOUT,
        env={**os.environ, "STARTS": str(starts)},
    )
    try:
        time.sleep(4)
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert 1 <= len(starts.read_text().splitlines()) <= 8
