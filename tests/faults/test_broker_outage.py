"""A broker that is away, cut off, silent or full: facts wait in the outbox, and nothing is lost or done twice."""

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
    open_installation,
    settings_of,
    start_worker,
    stop_workers,
    wait_until_ready,
)
from tests.fakes.proxy import Proxy, proxy_to

ARTICLES = ["guava", "mango", "rambutan"]


@pytest.fixture
def direct(servers: dict[str, str], tmp_path: Path) -> Iterator[Installation]:
    with settings_of("amqp", tmp_path) as settings, open_installation(settings) as installation:
        yield installation


@pytest.fixture
def proxy(direct: Installation) -> Iterator[Proxy]:
    url = urlsplit(direct.settings.bus_url)
    with proxy_to(str(url.hostname), int(url.port or 0)) as proxy:
        yield proxy


@pytest.fixture
def installation(direct: Installation, proxy: Proxy) -> Installation:
    """The same installation, whose way to the broker leads through the proxy."""
    url = urlsplit(direct.settings.bus_url)
    through = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{proxy.port}").geturl()
    return direct.on_bus(through)


def test_the_relay_waits_for_a_broker_that_is_away_and_says_so(
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
    assert "relay_goes_on" in caplog.messages


def test_connections_cut_again_and_again_lose_nothing_and_double_nothing(
    installation: Installation, proxy: Proxy
) -> None:
    names = [f"article{number:03}" for number in range(60)]
    with installation.at_work():
        for start in range(0, 60, 10):
            installation.receive(*names[start : start + 10])
            time.sleep(0.05)
            proxy.cut()
        eventually(lambda: installation.unpublished() == 0 and installation.reservations() == names, seconds=40)
        assert installation.placed() == names


def test_a_worker_starts_before_its_broker_and_gets_on_with_it_later(installation: Installation, proxy: Proxy) -> None:
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


def test_a_worker_that_waits_for_its_broker_still_ends_when_told_to(installation: Installation, proxy: Proxy) -> None:
    proxy.shut()
    worker = start_worker(installation.orders)
    eventually(lambda: catches_sigterm(worker.pid))
    time.sleep(1)
    stop_workers(worker)


def catches_sigterm(pid: int) -> bool:
    """Whether a process has its own handler for SIGTERM by now."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_a_silent_broker_is_given_up_in_time(
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


def test_a_fact_the_broker_refuses_stays_in_the_outbox_and_the_others_go(direct: Installation) -> None:
    with direct.open_bus() as bus:
        bus.check()
        publisher = amqp.Publisher(direct.settings.bus_url)
        channel = publisher.channel()
        full = {"x-max-length": 0, "x-overflow": "reject-publish", "x-queue-type": "classic"}
        channel.queue_declare("full", durable=True, auto_delete=False, arguments=full)
        channel.queue_bind("full", amqp.EXCHANGE, "examples.v1.Refused")
        refused, taken = direct.some_event(kind="examples.v1.Refused"), direct.some_event()
        assert bus.publish([refused, taken]) == [taken.id]
        channel.queue_delete("full")
        assert bus.publish([refused]) == [refused.id]
        publisher.close()
