"""Benchmarks of import and search with generated catalogues, compared with a minimal script (the bare path).

    BENCH=10k,100k python -m bench        (or make bench; BENCH=1m for a million)

All measurements of one size are made in one run on one machine: compare ratios, because absolute figures depend on the
machine. The run replaces the column of each size in bench/README.md, then the chart drawn from them.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import cluster, generate, load, parts, picture
from bench.report import Row, cell, replace_column

SIZES = {"1k": 1_000, "10k": 10_000, "100k": 100_000, "1m": 1_000_000}
CLIENTS = (1, 8, 32)
MIXED_QUERIES = 20_000
FACETS = "&facets=language,year,subject,branch,material"
FOLDER = Path("var") / "bench"


def main() -> None:
    load.require_wrk()
    names = (os.environ.get("BENCH") or "10k,100k").split(",")
    if unknown := [name for name in names if name not in SIZES]:
        raise SystemExit(f"BENCH: {', '.join(unknown)} is none of {', '.join(SIZES)}")
    for name in names:
        replace_column(name, [*embedded_edition(name, SIZES[name]), *cluster_edition(name, SIZES[name])])
    picture.draw()


def embedded_edition(name: str, size: int) -> Iterator[Row]:
    """Measure the embedded edition with one size; yield the rows of its table."""
    data = FOLDER / name
    shutil.rmtree(data, ignore_errors=True)
    file = generate.write(FOLDER / f"{name}.mrc", size)
    yield show(parts.help_time())
    yield show(parts.import_file(data, file, size))
    parts.copy_items(data)
    yield from searches(data)


def searches(data: Path) -> Iterator[Row]:
    """Measure searches of the imported records, then the memory of `up`; yield the rows."""
    queries = generate.queries(2_000)
    with parts.bare(data) as limit, parts.up(data, workers=1) as one_worker, parts.up(data, workers=2) as two_workers:
        yield show(Row("bare tantivy, no HTTP, one process", 1, parts.bare_tantivy(data, queries), parts.NO_FIGURE))
        for clients in CLIENTS:
            best = load.measure_searches(limit.address, queries, clients=clients)
            yield show(Row("bare path over HTTP, one process", clients, best.per_second, best))
            for label, address in (
                ("search, --workers 1", one_worker.address),
                ("search, --workers 2", two_workers.address),
            ):
                figure = load.measure_searches(address, queries, clients=clients)
                yield show(Row(label, clients, figure.per_second, figure, figure.per_second / best.per_second))
            best = load.measure_searches(limit.address, queries, clients=clients, parameters=FACETS)
            yield show(Row("bare path with five facets", clients, best.per_second, best))
            facets = (
                ("with five facets, --workers 1", one_worker.address),
                ("with five facets, --workers 2", two_workers.address),
            )
            for label, address in facets:
                figure = load.measure_searches(address, queries, clients=clients, parameters=FACETS)
                yield show(Row(label, clients, figure.per_second, figure, figure.per_second / best.per_second))
        yield from mixed_searches(one_worker, two_workers)
        yield show(parts.memory("memory of `up --workers 2` after all this", two_workers))
        yield show(parts.until_found(data, two_workers))


def mixed_searches(one_worker: parts.Running, two_workers: parts.Running) -> Iterator[Row]:
    """Measure searches of which a fifth has no hits as typed; yield the rows.

    No round repeats a query, except in the row that says so: servers remember searches without hits for a while.
    """
    different = generate.mixed_queries(MIXED_QUERIES)
    for clients in CLIENTS:
        for label, server in (("mixed queries, --workers 1", one_worker), ("mixed queries, --workers 2", two_workers)):
            figure = load.measure_searches(server.address, different, clients=clients)
            yield show(Row(label, clients, figure.per_second, figure))
    figure = load.measure_searches(two_workers.address, different[:2_000], clients=8)
    yield show(Row("2,000 mixed queries in turn, --workers 2", 8, figure.per_second, figure))
    failing = generate.mixed_queries(MIXED_QUERIES, generate.WITHOUT_HITS)
    figure = load.measure_searches(one_worker.address, failing, clients=1)
    yield show(Row("queries without hits as typed, --workers 1", 1, figure.per_second, figure))


def cluster_edition(name: str, size: int) -> Iterator[Row]:
    """Measure the cluster edition; yield the rows. The ratio compares with the same queries sent to Elasticsearch."""
    queries = generate.queries(2_000)
    with cluster.cluster() as processes:
        yield show(cluster.import_file(processes, FOLDER / f"{name}.mrc", size))
        cluster.copy_items()
        for clients in CLIENTS:
            best = cluster.elasticsearch_alone(processes, queries, clients=clients)
            yield show(Row("Elasticsearch alone", clients, best.per_second, best))
            for label, parameters in (("cluster: search", ""), ("cluster: with five facets", FACETS)):
                figure = load.measure_searches(processes.address, queries, clients=clients, parameters=parameters)
                ratio = None if parameters else figure.per_second / best.per_second
                yield show(Row(label, clients, figure.per_second, figure, ratio))


def show(row: Row) -> Row:
    print(time.strftime("%H:%M:%S"), row.what, row.clients, cell([row]), file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
