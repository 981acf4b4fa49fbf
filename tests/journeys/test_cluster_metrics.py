"""`serve`, `work` and `gateway` on one machine show their metrics on one port."""

from __future__ import annotations

import uuid
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from chassis.operations.testing import migrated_database
from chassis.service import Resources
from chassis.settings import load
from tests import servers as development
from tests.conditions import eventually
from tests.example_services.installation import start_worker, stop_workers, wait_until_ready
from tests.example_services.special_orders import LISTENING
from tests.migrated import create_migrated
from tests.servers.cluster import Cluster
from tests.servers.processes import free_port


def test_every_process_of_a_machine_is_in_the_sum(servers: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    cluster = Cluster(prefix=f"test_{uuid.uuid4().hex[:8]}_", services=("catalog",))
    cluster.environment |= {"DATA": str(tmp_path), "METRICS_PORT": str(port)}
    settings = load(cluster.environment)
    orders_name = f"{cluster.prefix}orders"
    create_migrated(LISTENING, orders_name)
    try:
        cluster.copy_databases()
        cluster.start()
        owner_url = cluster.owner_url.replace("{service}", "orders")
        with migrated_database(LISTENING, settings.database("orders"), owner_url=owner_url) as orders:
            listener = Resources(settings=settings, database=orders, service=LISTENING)
            manifest = "tests.example_services.special_orders:LISTENING"
            worker = start_worker(listener, manifest=manifest, METRICS_PORT=str(port))
            try:
                wait_until_ready(worker)
                for _ in range(3):
                    httpx.get(f"{cluster.address}/api/v1/search?q=surau", timeout=20, verify=False)
                wanted = {
                    ("rangkiang_processes", "gateway"): 1,
                    ("rangkiang_processes", "catalog"): 1,
                    ("rangkiang_processes", "orders-work"): 1,
                    ("http_server_request_duration_seconds_count", "/api/v1/search"): 3,
                    ("rpc_server_call_duration_seconds_count", "rangkiang.catalog.v1.Catalog/Search"): 3,
                    ("rangkiang_handler_waiting_events", "note_source"): 0,
                    ("rangkiang_import_records_total", "created"): 0,
                    ("rangkiang_lease_held", "relay"): 1,
                    ("db_client_connection_max", "orders"): 12,
                }
                eventually(lambda: wanted.items() <= _samples(port).items(), seconds=30)
            finally:
                stop_workers(worker)
        eventually(lambda: ("rangkiang_processes", "orders-work") not in _samples(port))
    finally:
        cluster.stop()
        cluster.remove()
        development.drop_database(orders_name)


def _samples(port: int) -> dict[tuple[str, str], float]:
    """Return the sum of the samples by name and each value of a label."""
    sums: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(httpx.get(f"http://127.0.0.1:{port}/metrics", verify=False).text):
        for sample in family.samples:
            for value in sample.labels.values():
                sums[sample.name, value] = sums.get((sample.name, value), 0) + sample.value
    return sums
