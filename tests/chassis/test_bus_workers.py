"""Worker processes: green, without gRPC, several handlers at a time, and they finish what they have in hand."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chassis.settings import environment_with
from tests.toys.house import (
    CHECKOUT,
    House,
    eventually,
    open_house,
    settings_of,
    start_worker,
    stop_workers,
    wait_until_ready,
)


@pytest.fixture
def house(servers: dict[str, str], tmp_path: Path) -> Iterator[House]:
    with settings_of("amqp", tmp_path) as settings, open_house(settings) as house:
        house.declare()
        yield house


@contextmanager
def kitchen(house: House, manifest: str) -> Iterator[subprocess.Popen[bytes]]:
    worker = start_worker(house.kitchen, manifest=f"tests.toys.looking:{manifest}")
    try:
        wait_until_ready(worker)
        yield worker
    finally:
        stop_workers(worker)


def test_a_worker_is_green_and_has_no_grpc(house: House) -> None:
    house.fill("mango")
    house.publish()
    with kitchen(house, "LOOKING"):
        eventually(lambda: house.meals() == ["green psycopg", "green sockets"])


def test_handlers_that_wait_for_the_database_wait_side_by_side(house: House) -> None:
    jars = [f"jar{number}" for number in range(8)]
    house.fill(*jars)
    house.publish()
    with kitchen(house, "SLOW"):
        begun = time.monotonic()
        eventually(lambda: house.meals() == jars)
        assert time.monotonic() - begun < 3  # one after another: 4 s


def test_a_worker_told_to_stop_finishes_what_it_has_in_hand(house: House) -> None:
    house.fill("mango")
    with kitchen(house, "SLOW") as worker:
        house.publish()
        time.sleep(0.2)
        worker.terminate()
        worker.wait(20)
    assert house.meals() == ["mango"]


def test_a_fact_that_kills_its_worker_again_and_again_ends_on_the_dead_list(house: House) -> None:
    house.fill("mango")
    house.publish()
    for _ in range(5):
        worker = start_worker(house.kitchen, manifest="tests.toys.looking:DEADLY")
        worker.communicate(timeout=30)
        assert worker.returncode == -signal.SIGKILL
    with kitchen(house, "DEADLY"), house.open_dead("kitchen") as dead:
        eventually(lambda: len(dead.find()) == 1)
        assert "EVENT_DEADLY" in dead.find()[0].error


def test_a_service_without_handlers_has_an_idle_worker(house: House) -> None:
    with kitchen(house, "IDLE") as worker:
        time.sleep(0.3)
        assert worker.poll() is None


@pytest.mark.parametrize(("bus", "reason"), [("local:", "amqp://"), ("kafka://x", "kafka")])
def test_a_worker_refuses_a_bus_that_has_no_workers(bus: str, reason: str, tmp_path: Path) -> None:
    worker = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "chassis.bus.nameko", "tests.toys.kitchen.service:SERVICE"],
        env=environment_with(BUS_URL=bus, DATA=str(tmp_path)),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert worker.returncode == 2
    assert reason in worker.stderr


def test_a_worker_whose_psycopg_is_not_green_does_not_start(house: House) -> None:
    source = "import sys, psycopg, runpy; sys.argv = ['worker', 'tests.toys.kitchen.service:SERVICE']\n"
    source += "runpy.run_module('chassis.bus.nameko', run_name='__main__', alter_sys=True)"
    worker = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", source],
        env=environment_with(
            BUS_URL=house.settings.bus_url, DATABASE_URL=house.settings.database("kitchen"), LOG_FORMAT="json"
        ),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert worker.returncode != 0
    assert "psycopg" in worker.stderr
