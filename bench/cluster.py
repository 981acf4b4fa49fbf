"""Measures the cluster edition and Elasticsearch alone with the same queries.

PostgreSQL, RabbitMQ, Elasticsearch, the service, the gateway and wrk share the cores of one machine. One client
measures the time that the gateway and the service add; many clients measure the throughput of the whole.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
from elasticsearch import Elasticsearch
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bench import load, parts
from bench.parts import NO_FIGURE, RANGKIANG
from bench.report import Row
from services.catalog.index.elastic import ANSWER
from services.catalog.index.elastic_query import search_body
from services.catalog.index.port import Request
from services.catalog.search import validation
from tests import servers
from tests.servers import state
from tests.servers.cluster import Cluster

PREFIX = "bench_"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start an empty cluster edition with its own database, virtual host and index; drop them afterwards."""
    state.refuse_settings_of_tests()
    Cluster(prefix=PREFIX).remove()  # remains of a killed run
    edition = Cluster(prefix=PREFIX)
    edition.environment |= {"RATE_LIMIT": "0", "REQUESTS_AT_ONCE": "0", "LOG_LEVEL": "WARNING"}
    try:
        edition.migrate()
        edition.start()
        yield edition
    finally:
        edition.stop()
        edition.remove()


def import_file(processes: Cluster, file: Path, size: int) -> Row:
    """Measure the import: records per second from a file to PostgreSQL and Elasticsearch."""
    start = time.perf_counter()
    process = subprocess.run(
        [*RANGKIANG, "import", str(file), "--source", "BENCH", "--new-source", "--json"],
        env=processes.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    summary = orjson.loads(process.stdout.splitlines()[-1]) if process.stdout else {"error": process.stderr[-500:]}
    if process.returncode or summary["created"] != size:
        raise SystemExit(f"the import did not load every record: {summary}")
    return Row("import, file to PostgreSQL and Elasticsearch", 1, size / seconds, NO_FIGURE, note=f"{seconds:.1f} s")


def copy_items() -> None:
    """Wait until circulation has copied every item: no search is measured beside that work."""
    parts.wait_until(lambda: _rows_inserted("circulation", "copies") >= _rows_inserted("catalog", "items"))


def _rows_inserted(service: str, table: str) -> int:
    # The rows themselves are walled by institution.
    engine = create_engine(servers.database_url(PREFIX + service), poolclass=NullPool)
    with engine.connect() as connection:
        query = text("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = :table")
        return int(connection.execute(query, {"table": table}).scalar() or 0)


def elasticsearch_alone(processes: Cluster, queries: list[str], *, clients: int) -> load.Figure:
    """Measure Elasticsearch alone, with the request bodies that the catalogue sends."""
    bodies = [
        orjson.dumps(search_body(Request(validation.parse_query(query)[1], limit=10))).decode() for query in queries
    ]
    root, _, base = processes.environment["SEARCH_URL"].rpartition("/")
    (index,) = Elasticsearch(root).indices.get(index=f"{base}-*").body
    return load.measure(root, [f"/{index}/_search?filter_path={ANSWER} {body}" for body in bodies], clients=clients)
