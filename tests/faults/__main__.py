"""`make soak`: rebuild an index under searches, attack the HTTP edge, restart Elasticsearch six times, restart
processes in turn while 20,000 requests are sent, take the database away and hang it, lend while RabbitMQ is away for a
minute, kill PostgreSQL and RabbitMQ together, plant faults for the alerts of Prometheus, then kill processes at random.

KILLS is the number of kills, SOAK_SEED their random seed; REBUILD_SECONDS=0 skips the rebuilds, RESTART_REQUESTS=0 the
restarts of processes, OUTAGES=0 those of the database and of RabbitMQ, POWER_CUTS=0 their end at once; ALERT_MINUTES is
the time of normal work during which no alert may fire, and 0 skips the alerts;
ENGINE_RESTARTS is the number of restarts of Elasticsearch.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from bench.parts import resident
from tests.faults import alert_drill
from tests.faults.database_drill import random_outages
from tests.faults.engine_restarts import restart_engine
from tests.faults.hostile_clients import HalfOpenConnections, Inert, endless_headers, search_latency, unread_pipeline
from tests.faults.imports import cluster, embedded, kill_session, write_records
from tests.faults.lending_outages import lend_without_broker, lending_library
from tests.faults.power_cut import lose_nothing
from tests.faults.random_kills import EDITIONS, soak
from tests.faults.rebuild_loop import open_library, rebuild_under_readers
from tests.faults.rolling_restarts import restart_all
from tests.faults.test_import_beside_up import Up

RECORDS = 5_000
ROUNDS = 4  # of restarts
MOST_P99_MILLISECONDS = 50
MOST_MEMORY_GROWTH = 100 * 1024 * 1024


def main() -> int:
    kills = int(os.environ.get("KILLS") or 200)
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(1_000_000))
    seconds = float(os.environ.get("REBUILD_SECONDS") or 60)
    editions = (os.environ.get("EDITIONS") or ",".join(EDITIONS)).split(",")
    print(f"make soak KILLS={kills} SOAK_SEED={seed}", flush=True)
    os.environ["RATE_LIMIT"] = "0"
    for edition in editions if seconds else ():
        with tempfile.TemporaryDirectory() as folder, open_library(edition, Path(folder)) as library:
            loop = rebuild_under_readers(library, seconds=seconds)
        print(f"{edition}: {loop}", flush=True)
        assert (loop.failures, loop.differences) == (0, 0)
    if seconds:
        attack_http()
    if seconds and "cluster" in editions:
        with tempfile.TemporaryDirectory() as folder:
            restarts = restart_engine(Path(folder) / "library", times=int(os.environ.get("ENGINE_RESTARTS") or 6))
        longest = max(restart.degraded for restart in restarts)
        print(f"Elasticsearch: {len(restarts)} restarts; degraded for at most {longest:.1f} s after each", flush=True)
        assert all(restart.kept for restart in restarts)
    requests = int(os.environ.get("RESTART_REQUESTS") or 20_000)
    if requests and "cluster" in editions:
        restart_in_turn(requests)
    outages = int(os.environ.get("OUTAGES") or 20)
    if outages and "cluster" in editions:
        with tempfile.TemporaryDirectory() as folder:
            print(f"database: {random_outages(Path(folder), rounds=outages, seed=seed)}", flush=True)
        with tempfile.TemporaryDirectory() as folder, lending_library(Path(folder)) as lending:
            print(f"RabbitMQ: {lend_without_broker(lending, seconds=60)} loans in a minute without it", flush=True)
    power_cuts = int(os.environ.get("POWER_CUTS") or 12)
    if power_cuts and "cluster" in editions:
        print(f"power cuts: {lose_nothing(power_cuts, seed=seed)}", flush=True)
    alert_minutes = float(os.environ.get("ALERT_MINUTES") or 60)
    if alert_minutes and "cluster" in editions:
        print(alert_drill.run(minutes=alert_minutes), flush=True)
    for at, edition in enumerate(editions):
        start = time.monotonic()
        share = kills // len(editions) + (at < kills % len(editions))
        with (
            tempfile.TemporaryDirectory() as folder,
            soak(edition, Path(folder), seed=seed, records=RECORDS) as run,
        ):
            run.run(share, report=lambda line, edition=edition: print(f"{edition}: {line}", flush=True))
            kill_counts = ", ".join(f"{count} {name}" for name, count in sorted(run.killed.items()))
        print(
            f"{edition}: {share} kills in {time.monotonic() - start:.0f} s ({kill_counts}); "
            f"{run.rounds} imports of {RECORDS} records; no record lost or duplicated, database and index agree",
            flush=True,
        )
    return 0


def restart_in_turn(requests: int) -> None:
    """Restart two gateways and two services in turn while clients search; names are answered five seconds late."""
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as store:
        store.import_(write_records(Path(folder), 300)[0])
        clients = restart_all(
            store, rounds=ROUNDS, requests=requests, lag=5, min_ready=10, pre_stop=3, drain=10, most_per_second=150
        )
    print(f"cluster: {clients.requests} requests during restarts, {len(clients.failures)} failed", flush=True)
    assert not clients.failures, clients.failures[:5]


def attack_http() -> None:
    """Attack `up --workers 2` from one address, and search from another."""
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as store:
        path, _ = write_records(Path(folder), RECORDS)
        assert store.start_import(path).wait() == 0
        up = Up(store)
        try:
            print(f"http: no attack: {search_latency(up.address)}", flush=True)
            attack_half_open(up)
            before = _memory(up)
            with HalfOpenConnections(up.address), endless_headers(up.address), unread_pipeline(up.address):
                latency = search_latency(up.address)
            growth = _memory(up) - before
            print(f"http: beside all attacks at once: {latency}; workers grew by {growth >> 20} MB", flush=True)
            assert growth < MOST_MEMORY_GROWTH
            assert up.process.poll() is None
        finally:
            kill_session(up.process)


def attack_half_open(up: Up) -> None:
    """Hold 2,000 half-open connections and search; the same attack on another server shows the attacker's own part."""
    with Inert() as elsewhere, HalfOpenConnections(elsewhere) as connections:
        latency = search_latency(up.address)
    print(f"http: beside the same attack on another server, {connections.opened} opened: {latency}", flush=True)
    before = _cpu_seconds(up)
    with HalfOpenConnections(up.address) as connections:
        latency = search_latency(up.address)
    seconds = _cpu_seconds(up) - before
    print(
        f"http: beside 2,000 half-open connections, {connections.opened} opened: {latency}; CPU time of the library "
        f"{seconds:.1f} s",
        flush=True,
    )
    assert latency.p99 < MOST_P99_MILLISECONDS


def _cpu_seconds(up: Up) -> float:
    """CPU time of the supervisor and the workers, in seconds."""
    ticks = 0
    for pid in (up.process.pid, *up.workers()):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory(up: Up) -> int:
    """Bytes of memory of the workers."""
    return 1024 * sum(resident(pid) for pid in up.workers())


if __name__ == "__main__":
    sys.exit(main())
