"""A broker that is stopped, disconnected, unresponsive or full: events wait in the outbox and are handled once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chassis.bus import amqp
from chassis.errors import Unavailable
from tests.example_services.installation import (
    Installation,
    eventually,
    installation_of,
    start_worker,
    stop_workers,
    wait_until_ready,
)
from tests.fakes.proxy import Proxy, proxy_to
from tests.migrated import MigratedDatabases

ARTICLES = ["guava", "mango", "rambutan"]


@pytest.fixture
def direct_installation(servers: dict[str, str], tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    with installation_of("amqp", tmp_path, migrated) as installation:
        yield installation


@pytest.fixture
def proxy(direct_installation: Installation) -> Iterator[Proxy]:
    url = urlsplit(direct_installation.settings.bus_url)
    with proxy_to(str(url.hostname), int(url.port or 0)) as proxy:
        yield proxy


@pytest.fixture
def installation(direct_installation: Installation, proxy: Proxy) -> Installation:
    """The same installation, connected to the broker through the proxy."""
    url = urlsplit(direct_installation.settings.bus_url)
    proxy_url = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{proxy.port}").geturl()
    return direct_installation.on_bus(proxy_url)


def test_the_relay_waits_for_a_stopped_broker_and_logs_it(
    installation: Installation, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.shut()
    installation.receive(*ARTICLES)
    stop = threading.Event()
    relay = threading.Thread(target=installation.run_relay, args=(installation.stock, stop))
    relay.start()
    eventually(lambda: "relay_waits" in caplog.messages)
    time.sleep(0.5)
    assert installation.unpublished() == 3
    proxy.open()
    eventually(lambda: installation.unpublished() == 0)
    stop.set()
    relay.join()
    assert caplog.messages.count("relay_waits") == 1
    assert "relay_resumed" in caplog.messages


def test_repeatedly_broken_connections_lose_and_duplicate_no_event(installation: Installation, proxy: Proxy) -> None:
    names = [f"article{number:03}" for number in range(60)]
    with installation.at_work():
        for start in range(0, 60, 10):
            installation.receive(*names[start : start + 10])
            time.sleep(0.05)
            proxy.cut()
        eventually(lambda: installation.unpublished() == 0 and installation.reservations() == names, seconds=40)
        assert installation.placed() == names


def test_a_worker_starts_before_its_broker_and_connects_later(installation: Installation, proxy: Proxy) -> None:
    installation.declare()
    installation.receive(*ARTICLES)
    installation.publish()
    proxy.shut()
    worker = start_worker(installation.orders)
    try:
        time.sleep(2)
        assert worker.poll() is None
        proxy.open()
        wait_until_ready(worker)
        eventually(lambda: installation.placed() == ARTICLES)
    finally:
        stop_workers(worker)


def test_a_worker_that_waits_for_its_broker_still_stops(installation: Installation, proxy: Proxy) -> None:
    proxy.shut()
    worker = start_worker(installation.orders)
    eventually(lambda: catches_sigterm(worker.pid))
    time.sleep(1)
    stop_workers(worker)


def catches_sigterm(pid: int) -> bool:
    """Return True when the process handles SIGTERM itself."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_publishing_to_an_unresponsive_broker_times_out(
    installation: Installation, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "CONFIRM_SECONDS", 0.5)
    with installation.open_bus() as bus:
        bus.check()
        proxy.stall()
        start = time.monotonic()
        with pytest.raises(Unavailable) as outage:
            bus.publish([installation.some_event()])
        assert outage.value.reason == "BUS_UNAVAILABLE"
        assert time.monotonic() - start < 5
        proxy.open()
        event = installation.some_event()
        assert bus.publish([event]) == [event.id]


def test_an_event_that_the_broker_refuses_blocks_no_other(direct_installation: Installation) -> None:
    with direct_installation.open_bus() as bus:
        bus.check()
        publisher = amqp.Publisher(direct_installation.settings.bus_url)
        channel = publisher.channel()
        arguments = {"x-max-length": 0, "x-overflow": "reject-publish", "x-queue-type": "classic"}
        channel.queue_declare("full", durable=True, auto_delete=False, arguments=arguments)
        channel.queue_bind("full", amqp.EXCHANGE, "examples.v1.Refused")
        refused_event, published_event = (
            direct_installation.some_event(kind="examples.v1.Refused"),
            direct_installation.some_event(),
        )
        assert bus.publish([refused_event, published_event]) == [published_event.id]
        channel.queue_delete("full")
        assert bus.publish([refused_event]) == [refused_event.id]
        publisher.close()
