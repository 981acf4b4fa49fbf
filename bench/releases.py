"""Compares this checkout with a recorded_releases release: import, search, suggestions, records and pages, in one run.

    BENCH=100k RELEASE=0.1.0 python -m bench.releases       (or make bench-releases; the last release unless named)

Both programs import the same file into data of their own, then both serve while wrk asks them in turn, round by round.
A ratio is the median over the rounds of this checkout's rate divided by the release's rate in the same round, so a
change of the machine's speed between rounds does not show. The run replaces one section of bench/README.md.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx

from bench import generate, load, parts
from bench.__main__ import FACETS, FOLDER, SIZES
from bench.report import replace_section
from chassis import clock
from tests.conftest import CHECKOUT
from tests.journeys.releases import Program, recorded_releases, unpack

ROUNDS = 9
SECONDS = 3
CLIENTS = 8
HEAD = "| what | {version} per second | this checkout | ratio |\n|---|--:|--:|--:|\n"


def main() -> None:
    load.require_wrk()
    name = os.environ.get("BENCH") or "100k"
    releases = {release.version: release for release in recorded_releases()}
    release = releases[os.environ.get("RELEASE") or recorded_releases()[-1].version]
    data_folder = FOLDER / "releases"
    shutil.rmtree(data_folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        sources = unpack(release, Path(folder))
        programs = tuple(
            Program(tree, settings_of(data_folder / data)) for tree, data in ((sources, "old"), (CHECKOUT, "new"))
        )
        lines = list(compare(*programs, size=SIZES[name], folder=data_folder))
    title = f"### This checkout beside release {release.version}, {name} records"
    heading = f"{clock.now():%Y-%m-%d}, {CLIENTS} clients, --workers 2"
    replace_section("releases", f"{title}\n\n{heading}\n\n" + HEAD.format(version=release.version) + "".join(lines))


def compare(old_program: Program, new_program: Program, *, size: int, folder: Path) -> Iterator[str]:
    """Measure both programs; yield the lines of the table.

    raises  RuntimeError  a response was not 200
    """
    file = generate.write(folder / "records.mrc", size)
    yield _line(
        "import", *(import_records(old_program, file, size), import_records(new_program, file, size, "--new-source"))
    )
    parts.copy_items(folder / "new")
    with old_program.up() as old_address, new_program.up() as new_address:
        old_paths, new_paths = _requests(old_address), _requests(new_address)
        for label in new_paths:
            sides = ((old_address, old_paths[label]), (new_address, new_paths[label]))
            rounds = [[_rate(*side) for side in sides] for _ in range(ROUNDS)]
            rates = [statistics.median(column) for column in zip(*rounds, strict=True)]
            yield _line(label, *rates, statistics.median(new_rate / old_rate for old_rate, new_rate in rounds))


def _rate(address: str, paths: list[str]) -> float:
    """Ask for these paths for one round; returns responses per second."""
    return load.measure(address, paths, clients=CLIENTS, seconds=SECONDS, rounds=1).per_second


def _requests(address: str) -> dict[str, list[str]]:
    """Return the paths to ask this program for, by what they measure."""
    queries = generate.queries(2_000)
    searches = [f"/api/v1/search?q={quote(query)}" for query in queries]
    hits = [httpx.get(address + path).json()["hits"] for path in searches[:50]]
    records = [f"/api/v1/records/{hit['id']}" for page in hits for hit in page]
    return {
        "search": searches,
        "search with five facets": [path + FACETS for path in searches],
        "suggestions": [f"/api/v1/suggest?q={quote(query[:4])}" for query in queries],
        "one record": records,
        "page of results": [f"/search?q={quote(query)}" for query in queries],
    }


def import_records(program: Program, file: Path, size: int, *options: str) -> float:
    """Import the file; returns records per second."""
    program.run("migrate")
    start = time.perf_counter()
    created = program.run("import", str(file.resolve()), "--source", "BENCH", *options)["created"]
    if created != size:
        raise RuntimeError(f"the import created {created} records, not {size}")
    return size / (time.perf_counter() - start)


def settings_of(data: Path) -> dict[str, str]:
    """Return settings of the embedded edition without a limit of requests: all of them come from one address."""
    variables = {
        "DATA": str(data.resolve()),
        "HOST": "127.0.0.1",
        "PORT": "0",
        "RATE_LIMIT": "0",
        "REQUESTS_AT_ONCE": "0",
        "LOG_LEVEL": "WARNING",
    }
    return variables | {"WORKERS": "2"}


def _line(label: str, old: float, new: float, ratio: float | None = None) -> str:
    print(f"{time.strftime('%H:%M:%S')} {label}: {old:,.0f} {new:,.0f} {(ratio or new / old):.2f}", flush=True)
    return f"| {label} | {old:,.0f} | {new:,.0f} | {(ratio or new / old):.2f} |\n"


if __name__ == "__main__":
    main()
