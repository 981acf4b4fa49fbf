"""Compares the CPU time of a search over HTTP: recorded releases, this checkout and the bare path.

    BENCH=100k python -m bench.search_cpu 0.1.0 0.2.0      (without versions: the last release)

Each program imports the same records into data of its own and serves them in one process. Then wrk asks one server
after the other, in random order, round by round. CPU time depends less on other programs than rates do; still, only
figures of one run can be compared, and the ratio is the median of the ratios of each round.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from bench import generate, load, parts
from bench.__main__ import FOLDER, SIZES
from bench.releases import CLIENTS, import_records, settings_of
from tests.conftest import CHECKOUT
from tests.journeys.releases import Program, recorded_releases, unpack

ROUNDS = 11
SECONDS = 2
THIS, BARE = "this checkout", "bare path"


def main() -> None:
    load.require_wrk()
    releases = {release.version: release for release in recorded_releases()}
    versions = sys.argv[1:] or [recorded_releases()[-1].version]
    size = SIZES[os.environ.get("BENCH") or "10k"]
    data = FOLDER / "search_cpu"
    shutil.rmtree(data, ignore_errors=True)
    file = generate.write(data / "records.mrc", size)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        trees = {version: unpack(releases[version], Path(folder) / version) for version in versions} | {THIS: CHECKOUT}
        programs = {
            name: Program(tree, settings_of(data / name.replace(" ", "_")) | {"WORKERS": "1"})
            for name, tree in trees.items()
        }
        for name, program in programs.items():
            import_records(program, file, size, *(["--new-source"] if name == THIS else []))
        own = data / THIS.replace(" ", "_")
        parts.copy_items(own)
        servers = {name: stack.enter_context(_up(program)) for name, program in programs.items()}
        servers[BARE] = stack.enter_context(parts.bare(own))
        _compare(servers)


def _compare(servers: dict[str, parts.Running]) -> None:
    paths = [f"/api/v1/search?q={quote(query)}" for query in generate.queries(2_000)]
    times: dict[str, list[float]] = {name: [] for name in servers}
    for server in servers.values():
        load.measure(server.address, paths, clients=CLIENTS, seconds=SECONDS, rounds=1)
    time.sleep(3)  # until what the servers do after their start is over
    for _ in range(ROUNDS):
        for name in random.sample(list(servers), len(servers)):
            begun = cpu_seconds(servers[name].pid)
            figure = load.measure(servers[name].address, paths, clients=CLIENTS, seconds=SECONDS, rounds=1)
            used = cpu_seconds(servers[name].pid) - begun
            times[name].append(1_000 * used / (figure.per_second * SECONDS))
    print(f"CPU of a search in ms, {CLIENTS} clients, load {os.getloadavg()[0]:.1f}")
    for name, values in times.items():
        ratio = statistics.median(value / own for value, own in zip(values, times[THIS], strict=True))
        print(f"{name:15} median {statistics.median(values):.3f}  least {min(values):.3f}  of {THIS} {ratio:.2f}")


@contextlib.contextmanager
def _up(program: Program) -> Iterator[parts.Running]:
    process: subprocess.Popen[bytes] = program.start("up")
    try:
        assert process.stdout is not None
        yield parts.Running(json.loads(process.stdout.readline())["address"], process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, its threads and its descendants, in nanoseconds' resolution."""
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0]) / 1e9
        for child in (task / "children").read_text().split():
            total += cpu_seconds(int(child))
    return total


if __name__ == "__main__":
    main()
