"""One listening parent deals connections to its workers in turn, and keeps their number."""

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


class House:
    """A supervisor with two workers."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chassis.dealt", "supervise", "2"], cwd=CHECKOUT, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.address = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def ask(self) -> int:
        """Over a fresh connection: who answers."""
        return int(httpx.get(self.address, timeout=10).text)

    def answering(self) -> set[int]:
        """Who answers four fresh connections."""
        return {self.ask() for _ in range(4)}


@pytest.fixture
def house() -> Iterator[House]:
    running = House()
    yield running
    running.process.terminate()
    running.process.communicate(timeout=20)


def eventually_two(house: House, *, without: int) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(httpx.HTTPError):
            found = house.answering()
            if len(found) == 2 and without not in found:
                return True
        time.sleep(0.05)
    return False


def test_eight_kept_connections_fall_four_and_four(house: House) -> None:
    with ExitStack() as kept:
        clients = [kept.enter_context(httpx.Client(base_url=house.address)) for _ in range(8)]
        first = [client.get("/").text for client in clients]
        assert sorted(Counter(first).values()) == [4, 4]
        assert [client.get("/").text for client in clients] == first


def test_a_killed_worker_is_replaced_while_the_other_goes_on(house: House) -> None:
    with httpx.Client(base_url=house.address) as kept:
        survivor = int(kept.get("/").text)
        (victim,) = house.answering() - {survivor}
        os.kill(victim, signal.SIGKILL)
        assert int(kept.get("/").text) == survivor
        assert eventually_two(house, without=victim)
        assert int(kept.get("/").text) == survivor


def test_a_request_under_way_is_answered_before_the_house_stops(house: House) -> None:
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(httpx.get(house.address + "/slow").status_code))
    asking.start()
    time.sleep(0.25)
    house.process.send_signal(signal.SIGTERM)
    asking.join(timeout=10)
    assert answers == [200]
    assert house.process.wait(timeout=10) == 0


def test_a_worker_that_dies_at_birth_is_not_born_in_a_frenzy(tmp_path: Path) -> None:
    births = tmp_path / "births"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chassis.dealt", "supervise", "1"],
        cwd=CHECKOUT,
        env={**os.environ, "BIRTHS": str(births)},
    )
    try:
        time.sleep(4)
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert 1 <= len(births.read_text().splitlines()) <= 8
