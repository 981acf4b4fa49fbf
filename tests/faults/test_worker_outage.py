"""A worker whose database is away keeps its messages, counts no attempt, and catches up when the database is back."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url

from chassis.bus.amqp import Publisher, dead_queue, poison_queue, queue_of, wait_queue
from chassis.settings import load
from tests.example_services.installation import (
    BACKOFF_SECONDS,
    Installation,
    eventually,
    installation_of,
    start_worker,
    stop_workers,
    wait_until_ready,
)
from tests.fakes.proxy import Proxy, proxy_to
from tests.migrated import MigratedDatabases
from tests.servers import postgres, state

OUTAGE_SECONDS = 3.0  # several times the sum of the attempts' delays
RIGHT_SECONDS = 30


@pytest.fixture
def installation(servers: dict[str, str], tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    with installation_of("amqp", tmp_path, migrated) as installation:
        installation.declare()
        yield installation


@contextmanager
def worker_behind_proxy(installation: Installation) -> Iterator[tuple[subprocess.Popen[bytes], Proxy]]:
    url = urlsplit(installation.settings.database("orders"))
    with proxy_to(str(url.hostname), int(url.port or 0)) as proxy:
        database_url = installation.settings.database("{service}").replace(f":{url.port}/", f":{proxy.port}/")
        settings = load({"DATABASE_URL": database_url, "BUS_URL": installation.settings.bus_url})
        worker = start_worker(replace(installation.orders, settings=settings))
        try:
            wait_until_ready(worker)
            yield worker, proxy
        finally:
            worker.kill()
            worker.wait()


def counts(installation: Installation) -> dict[str, int]:
    """Ready messages in the queues of the handler place_order."""
    queue = queue_of("orders", "place_order")
    names = {
        "own": queue,
        "dead": dead_queue(queue),
        "suspects": poison_queue(queue),
        "waiting": wait_queue(queue, BACKOFF_SECONDS[0]),
    }
    with closing(Publisher(installation.settings.bus_url)) as publisher:
        channel = publisher.channel()
        return {name: channel.queue_declare(queue, passive=True).message_count for name, queue in names.items()}


def test_an_outage_counts_no_attempt_and_ends_within_half_a_minute(
    installation: Installation, capfd: pytest.CaptureFixture[str]
) -> None:
    articles = [f"article{number:02}" for number in range(40)]
    with worker_behind_proxy(installation) as (worker, proxy):
        proxy.shut()
        installation.receive(*articles)
        installation.publish()
        time.sleep(OUTAGE_SECONDS)
        assert counts(installation) == {"own": 30, "dead": 0, "suspects": 0, "waiting": 0}
        assert installation.placed() == []
        proxy.open()
        eventually(lambda: installation.placed() == articles, seconds=RIGHT_SECONDS)
        stop_workers(worker)
    events = [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]
    assert events == ["database_connection_lost", "database_away", "database_back"]
    assert set(counts(installation).values()) == {0}


def test_a_worker_that_stops_during_an_outage_loses_nothing(installation: Installation) -> None:
    articles = [f"article{number:02}" for number in range(20)]
    with worker_behind_proxy(installation) as (worker, proxy):
        proxy.shut()
        installation.receive(*articles)
        installation.publish()
        time.sleep(1)
        stop_workers(worker)
    with installation.at_work("orders"):
        eventually(lambda: installation.placed() == articles, seconds=RIGHT_SECONDS)
    assert counts(installation)["dead"] == 0


def test_a_read_only_database_counts_no_attempt_and_its_worker_goes_on_afterwards(
    installation: Installation, capfd: pytest.CaptureFixture[str]
) -> None:
    name = make_url(installation.settings.database("orders")).database
    articles = [f"article{number:02}" for number in range(20)]
    with worker_behind_proxy(installation) as (worker, proxy):
        proxy.shut()
        postgres.sql(state.read("postgres"), f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        proxy.open()
        installation.receive(*articles)
        installation.publish()
        time.sleep(OUTAGE_SECONDS)
        assert counts(installation) == {"own": 10, "dead": 0, "suspects": 0, "waiting": 0}
        postgres.sql(state.read("postgres"), f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        proxy.shut()
        proxy.open()
        eventually(lambda: installation.placed() == articles, seconds=RIGHT_SECONDS)
        stop_workers(worker)
    events = [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]
    assert events.count("handlers_wait") == 1
    assert "handler_failed" not in events
    assert set(counts(installation).values()) == {0}
