"""The cluster edition under the same load, and what Elasticsearch alone takes for the same questions.

Everything runs on this machine's cores: PostgreSQL, RabbitMQ, Elasticsearch, the service, the gateway and wrk. So one
client at a time says what our path adds; many say what all of it together reaches.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from bench import load
from bench.parts import NOTHING, RANGKIANG
from bench.report import Row
from services.catalog.index.elastic import ANSWER
from services.catalog.index.elastic_query import search_body
from services.catalog.index.port import Request
from services.catalog.search import validation
from tests import servers
from tests.servers.cluster import Cluster

PREFIX = "bench_"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """An empty cluster edition in databases, queues and an index of its own; they are dropped afterwards."""
    _drop()  # what a run that was killed has left
    begun = Cluster(prefix=PREFIX)
    begun.environment |= {"RATE_LIMIT": "0", "LOG_LEVEL": "WARNING"}
    try:
        begun.migrate()
        begun.start()
        yield begun
    finally:
        begun.stop()
        _drop()


def _drop() -> None:
    servers.drop_database(f"{PREFIX}catalog")
    servers.drop_vhost(f"{PREFIX}rangkiang")
    servers.drop_indices(PREFIX.replace("_", "-"))


def importing(running: Cluster, file: Path, size: int) -> Row:
    """Records a second from file to PostgreSQL and into the index that answers."""
    begun = time.perf_counter()
    done = subprocess.run(
        [*RANGKIANG, "import", str(file), "--source", "BENCH", "--json"],
        env=running.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    told = orjson.loads(done.stdout.splitlines()[-1]) if done.stdout else {"error": done.stderr[-500:]}
    if done.returncode or told["created"] != size:
        raise SystemExit(f"the import did not do what it should: {told}")
    return Row("import, file to PostgreSQL and Elasticsearch", 1, size / seconds, NOTHING, note=f"{seconds:.1f} s")


def engine(running: Cluster, queries: list[str], *, clients: int) -> load.Figure:
    """Elasticsearch asked with the very bodies that the catalogue sends it, without us."""
    bodies = [
        orjson.dumps(search_body(Request(validation.parse_query(query)[1], limit=10))).decode() for query in queries
    ]
    root, _, alias = running.environment["SEARCH_URL"].rpartition("/")
    return load.measure(root, [f"/{alias}/_search?filter_path={ANSWER} {body}" for body in bodies], clients=clients)
