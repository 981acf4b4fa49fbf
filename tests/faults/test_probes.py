"""While PostgreSQL is away, `serve` is alive and not ready: its probes restart nothing."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url

from tests.conditions import eventually
from tests.fakes.proxy import proxy_to
from tests.faults.imports import cluster, kill_session
from tests.faults.rolling_restarts import is_serving
from tests.servers.processes import free_port


def test_an_outage_of_postgresql_makes_a_service_not_ready_and_restarts_nothing(
    servers: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    with cluster(tmp_path) as store:
        url = make_url(store.environment["DATABASE_URL"])
        with proxy_to(url.host or "", url.port or 0) as proxy:
            through_proxy = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
            database_url = through_proxy.replace("%7Bservice%7D", "{service}")
            process = store.start("serve", "catalog", GRPC_PORT=str(port), DATABASE_URL=database_url)
            try:
                eventually(lambda: is_serving("127.0.0.1", port), seconds=40)
                proxy.shut()
                eventually(lambda: not is_serving("127.0.0.1", port))
                assert is_serving("127.0.0.1", port, "liveness")
                assert process.poll() is None
                proxy.open()
                eventually(lambda: is_serving("127.0.0.1", port))
            finally:
                kill_session(process)
