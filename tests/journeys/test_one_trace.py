"""One trace from the command or the request to the last effect, received as OTLP over HTTP, on both editions."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from chassis.bus.amqp import Publisher, declare_handler
from chassis.bus.local import LocalBus
from chassis.bus.local_delivery import Deliveries
from chassis.bus.outbox import Relay
from chassis.jobs.lease import Leases
from chassis.metrics import telemetry
from chassis.operations.testing import migrated_database
from chassis.service import Resources, load
from chassis.settings import Settings
from chassis.settings import load as load_settings
from tests import servers as development
from tests.builders import book, iso
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.example_services.installation import drain, start_worker, stop_workers, wait_until_ready
from tests.example_services.special_orders import LISTENING
from tests.fakes.span_receiver import Receiver
from tests.migrated import create_migrated
from tests.programs import run_command, start_program
from tests.servers.cluster import Cluster

HANDLED = "process note_source"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "books.mrc"
    path.write_bytes(iso([book("1", title="Robohnya surau kami")]))
    return path


def _run(environment: dict[str, str], *words: str) -> None:
    run_command(words, environment=environment, folder=CHECKOUT, seconds=100).check_returncode()


def test_embedded(receiver: Receiver, tmp_path: Path, file: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(tmp_path), "PORT": "0", **receiver.variables}
    settings = load_settings(environment)
    _run(environment, "migrate")
    catalog = load("catalog")
    orders_url = settings.database("orders")
    with closing(catalog.open_database(settings)) as database, migrated_database(LISTENING, orders_url) as orders:
        # The relay of the command would publish to the services of the product alone.
        lease = Leases(database).try_hold("relay")
        assert lease is not None
        _run(environment, "import", str(file), "--source", "surau", "--new-source")
        listener = Resources(settings=settings, database=orders, service=LISTENING)
        # The event of the record, and that of its change number.
        assert drain(Relay(database, LocalBus([listener]))) == 2
        lease.release()
        telemetry.start(settings, "orders")
        with closing(Deliveries(listener)) as deliveries:
            assert deliveries.run_due(threading.Event()) == 1
        telemetry.stop()
    assert receiver.chains(HANDLED) == [[(HANDLED, "orders"), ("rangkiang import", "command")]]

    up = start_program(["up", "--json"], env=environment, cwd=CHECKOUT)
    try:
        assert up.stdout is not None
        address = json.loads(up.stdout.readline())["address"]
        assert httpx.get(f"{address}/api/v1/search?q=surau", timeout=20).status_code == 200
        call = "rangkiang.catalog.v1.Catalog/Search"
        chain = [("SELECT", "up"), (call, "up"), (call, "up"), ("GET /api/v1/search", "up")]
        eventually(lambda: chain in receiver.chains("SELECT"))
    finally:
        up.terminate()
        up.communicate(timeout=30)


def test_cluster(servers: dict[str, str], receiver: Receiver, tmp_path: Path, file: Path) -> None:
    cluster = Cluster(prefix=f"test_{uuid.uuid4().hex[:8]}_", services=("catalog",))
    cluster.environment |= {"DATA": str(tmp_path), **receiver.variables}
    settings: Settings = load_settings(cluster.environment)
    orders_name = f"{cluster.prefix}orders"
    create_migrated(LISTENING, orders_name)
    try:
        cluster.copy_databases()
        owner_url = cluster.owner_url.replace("{service}", "orders")
        with migrated_database(LISTENING, settings.database("orders"), owner_url=owner_url) as orders:
            listener = Resources(settings=settings, database=orders, service=LISTENING)
            with closing(Publisher(settings.bus_url)) as publisher:
                declare_handler(publisher.channel(), "orders", LISTENING.consumers[0], (1,))
            _run(cluster.environment, "import", str(file), "--source", "surau", "--new-source")
            manifest = "tests.example_services.special_orders:LISTENING"
            worker = start_worker(listener, manifest=manifest, **receiver.variables)
            try:
                wait_until_ready(worker)
                eventually(lambda: bool(receiver.chains(HANDLED)))
            finally:
                stop_workers(worker)
        assert receiver.chains(HANDLED) == [[(HANDLED, "orders-work"), ("rangkiang import", "command")]]
        cluster.start()
        assert httpx.get(f"{cluster.address}/api/v1/search?q=surau", timeout=20).status_code == 200
        call = "rangkiang.catalog.v1.Catalog/Search"
        chain = [("search", "catalog"), (call, "catalog"), (call, "gateway"), ("GET /api/v1/search", "gateway")]
        eventually(lambda: chain in receiver.chains("search"))
        # The indexer's requests and other work without a request are not traced.
        assert not [span for span in receiver.spans.values() if span.name == "bulk"]
    finally:
        cluster.stop()
        cluster.remove()
        development.drop_database(orders_name)
