"""Starts, measures and stops the import, `up` and the bare path."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.bare import Bare
from bench.load import Figure
from bench.report import Row
from tests.builders import book, iso

RANGKIANG = [sys.executable, "-m", "chassis.cli.commands"]
NO_FIGURE = Figure(0, 0, 0)


class Running(NamedTuple):
    """A running server: its URL and the id of its first process."""

    address: str
    pid: int


def help_time() -> Row:
    """Measure the time of `rangkiang --help`, which is the start-up time of every command."""
    times = []
    for _ in range(11):
        start = time.perf_counter()
        subprocess.run([*RANGKIANG, "--help"], check=True, stdout=subprocess.DEVNULL)
        times.append(1_000 * (time.perf_counter() - start))
    p50 = statistics.median(times)
    return Row("rangkiang --help", 1, 1_000 / p50, Figure(1_000 / p50, p50, max(times)))


def import_file(data: Path, file: Path, size: int) -> Row:
    """Measure the import: records per second from a file to database and index, and peak memory of all processes."""
    environ = {**os.environ, "DATA": str(data)}
    subprocess.run([*RANGKIANG, "migrate"], env=environ, check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen(
        [*RANGKIANG, "import", str(file), "--source", "BENCH", "--new-source", "--json"],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    peak, anonymous, stop = [0], [0], threading.Event()

    def measure_memory() -> None:
        while not stop.wait(0.2):
            peak[0] = max(peak[0], resident(process.pid))
            anonymous[0] = max(anonymous[0], resident(process.pid, "Pss_Anon:"))

    watcher = threading.Thread(target=measure_memory)
    watcher.start()
    start = time.perf_counter()
    output, _ = process.communicate()
    seconds = time.perf_counter() - start
    stop.set()
    watcher.join()
    summary = json.loads(output.splitlines()[-1])
    if process.returncode or summary["created"] != size:
        raise SystemExit(f"the import did not load every record: {summary}")
    disk = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    memory = f"peak {peak[0] // 1024} MB in all processes, {anonymous[0] // 1024} without mapped files"
    note = f"{seconds:.1f} s; {memory}; {disk // 1_000_000} MB on disk"
    return Row("import, file to database and index", 1, size / seconds, NO_FIGURE, note=note)


def until_found(data: Path, server: Running) -> Row:
    """Measure the time from the end of an import of one record until a search at `up` finds it."""
    times = []
    with httpx.Client(base_url=server.address) as client, tempfile.TemporaryDirectory() as folder:
        for number in range(11):
            word = f"segera{number}{os.getpid()}"
            file = Path(folder) / f"{number}.mrc"
            file.write_bytes(iso([book(word, f"Buku {word}")]))
            command = [*RANGKIANG, "import", str(file), "--source", "FOUND", "--json"]
            command += [] if number else ["--new-source"]
            subprocess.run(command, env=environment_of(data), check=True, stdout=subprocess.DEVNULL)
            start = time.perf_counter()
            while not client.get("/api/v1/search", params={"q": word}).json()["total"]:
                time.sleep(0.005)
            times.append(1_000 * (time.perf_counter() - start))
    return Row(
        "one record: from the end of its import until a search finds it",
        1,
        0,
        Figure(0, statistics.median(times), max(times)),
    )


def environment_of(data: Path) -> dict[str, str]:
    """Return the environment of commands for this data."""
    return {**os.environ, "DATA": str(data)}


def migrate(environment: Mapping[str, str]) -> None:
    subprocess.run([*RANGKIANG, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)


def copy_items(data: Path) -> None:
    """Run `up` until circulation has copied every item and no event waits: no search is measured beside that work."""
    with up(data, workers=1):
        wait_until(lambda: _waiting(data) == 0)


def _waiting(data: Path) -> int:
    """Count the items that circulation has not copied, and the events that are not published or not handled."""

    def count(service: str, query: str) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{data / service}.db?mode=ro", uri=True)) as connection:
            return int(connection.execute(query).fetchone()[0])

    items = count("catalog", "SELECT count(*) FROM items") - count("circulation", "SELECT count(*) FROM copies")
    events = count("catalog", "SELECT count(*) FROM outbox WHERE published_at IS NULL")
    deliveries = count("circulation", "SELECT count(*) FROM deliveries")
    return items + events + deliveries


def wait_until(is_done: Callable[[], bool], *, seconds: float = 1_800) -> None:
    """Wait for a condition. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.5)


def memory(label: str, server: Running) -> Row:
    """Measure the memory of a server's processes, in all and without mapped files."""
    total, anonymous = resident(server.pid) // 1024, resident(server.pid, "Pss_Anon:") // 1024
    return Row(label, 0, 0, NO_FIGURE, note=f"{total:,} MB in all, {anonymous:,} MB without mapped files")


def resident(pid: int, field: str = "Pss:") -> int:
    """Return the proportional set size of a process and its descendants in KiB; 0 for an ended process."""
    total = 0
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(field):
                total += int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += resident(int(child), field)
    return total


@contextlib.contextmanager
def up(data: Path, *, workers: int, **settings: str) -> Iterator[Running]:
    """Start the embedded edition with this data and other settings; stop it afterwards."""
    environ = {**os.environ, "DATA": str(data), "PORT": "0", "WORKERS": str(workers), "LOG_LEVEL": "WARNING"}
    environ |= settings
    environ |= {"RATE_LIMIT": "0", "REQUESTS_AT_ONCE": "0"}  # all requests come from one address
    yield from _running([*RANGKIANG, "up", "--json"], environ)


@contextlib.contextmanager
def bare(data: Path) -> Iterator[Running]:
    """Start the bare path with the same data; stop it afterwards."""
    yield from _running([sys.executable, "-m", "bench.bare", str(data)], dict(os.environ))


def _running(command: list[str], environ: dict[str, str]) -> Iterator[Running]:
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Running(json.loads(process.stdout.readline())["address"], process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def bare_tantivy(data: Path, queries: list[str]) -> float:
    """Measure tantivy alone in one process, without rows and HTTP: searches per second, median of five rounds."""
    engine, rates = Bare(data), []
    for _ in range(5):
        start = time.perf_counter()
        for query in queries:
            engine.find(query)
        rates.append(len(queries) / (time.perf_counter() - start))
    return statistics.median(rates)
