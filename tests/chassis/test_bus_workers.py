"""Worker processes: they use eventlet without gRPC, run handlers concurrently and finish them before they stop."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

from chassis.database.db import Database
from chassis.settings import environment_with
from tests.example_services.installation import (
    CHECKOUT,
    Installation,
    eventually,
    installation_of,
    start_worker,
    stop_workers,
    wait_until_ready,
)
from tests.migrated import MigratedDatabases


@pytest.fixture
def installation(servers: dict[str, str], tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    with installation_of("amqp", tmp_path, migrated) as installation:
        installation.declare()
        yield installation


@contextmanager
def orders(installation: Installation, manifest: str) -> Iterator[subprocess.Popen[bytes]]:
    worker = start_worker(installation.orders, manifest=f"tests.example_services.special_orders:{manifest}")
    try:
        wait_until_ready(worker)
        yield worker
    finally:
        stop_workers(worker)


def test_a_worker_uses_green_threads_and_has_no_grpc(installation: Installation) -> None:
    installation.receive("mango")
    installation.publish()
    with orders(installation, "LOOKING"):
        eventually(lambda: installation.placed() == ["green psycopg", "green sockets"])


def test_handlers_wait_for_the_database_concurrently(installation: Installation) -> None:
    articles = [f"article{number}" for number in range(8)]
    installation.receive(*articles)
    installation.publish()
    with orders(installation, "SLOW"):
        start = time.monotonic()
        eventually(lambda: installation.placed() == articles)
        assert time.monotonic() - start < 3  # one after another: 4 s


def test_a_stopped_worker_finishes_its_handler(installation: Installation) -> None:
    installation.receive("mango")
    with orders(installation, "SLOW") as worker:
        installation.publish()
        time.sleep(0.2)
        worker.terminate()
        worker.wait(20)
    assert installation.placed() == ["mango"]


def test_a_service_without_handlers_has_an_idle_worker(installation: Installation) -> None:
    with orders(installation, "IDLE") as worker:
        time.sleep(0.3)
        assert worker.poll() is None


@pytest.mark.parametrize(("bus", "reason"), [("local:", "amqp://"), ("kafka://x", "kafka")])
def test_a_worker_refuses_a_bus_that_has_no_workers(bus: str, reason: str, tmp_path: Path) -> None:
    worker = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "chassis.bus.nameko", "tests.example_services.orders.service:SERVICE"],
        env=environment_with(BUS_URL=bus, DATA=str(tmp_path)),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert worker.returncode == 2
    assert reason in worker.stderr


def test_a_worker_whose_psycopg_is_not_green_does_not_start(installation: Installation) -> None:
    source = "import sys, psycopg, runpy; sys.argv = ['worker', 'tests.example_services.orders.service:SERVICE']\n"
    source += "runpy.run_module('chassis.bus.nameko', run_name='__main__', alter_sys=True)"
    worker = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", source],
        env=environment_with(
            BUS_URL=installation.settings.bus_url,
            DATABASE_URL=installation.settings.database("orders"),
            LOG_FORMAT="json",
        ),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert worker.returncode != 0
    assert "psycopg" in worker.stderr


@pytest.mark.filterwarnings(r"ignore:\s*Eventlet is deprecated")
@pytest.mark.parametrize(("blocks", "starts"), [([0.3, 0.1], True), ([0.3, 0.25, 0.3], False)])
def test_a_worker_that_a_busy_machine_delays_measures_again_before_it_refuses(
    monkeypatch: pytest.MonkeyPatch, blocks: list[float], starts: bool
) -> None:
    nameko = import_module("chassis.bus.nameko")
    remaining = iter(blocks)
    monkeypatch.setattr("chassis.bus.nameko.longest_block", lambda _database: next(remaining))
    monkeypatch.setattr("psycopg.waiting.wait", psycopg.waiting.wait_select)
    database = Database("postgresql+psycopg://nobody@127.0.0.1/nothing")
    with nullcontext() if starts else pytest.raises(RuntimeError, match=r"blocks the other handlers \(0\.25 s\)"):
        nameko.refuse_when_waiting_blocks(database)
    database.close()
    assert list(remaining) == []
