"""What metrics and the access log add to a search.  usage: python -m bench.metrics [records]

One process calls the gateway's application without sockets, in turn with and without, and compares its CPU time: other
programs of the machine disturb it less than rates. With sockets a search costs more, so the part of metrics is smaller.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from logging import StreamHandler
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlencode

from bench import generate
from chassis import metrics
from chassis.bus.depths import open_depths
from chassis.operations import sampling
from chassis.rpc import inproc
from chassis.service import Resources, load
from chassis.settings import Settings, environment_with
from chassis.settings import load as load_settings
from chassis.urls import resolve
from gateway.app import create_app
from gateway.request_log import access_log
from tests.servers.processes import free_port

ROUNDS = 60
REQUESTS = 60
CHECKOUT = Path(__file__).resolve().parents[1]
App = Callable[[Any, Any, Any], Awaitable[None]]


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "var"
        _import(size, data)
        with (Path(folder) / "access.log").open("w") as lines:
            asyncio.run(_compare(data, size, access_lines=lines))


def _import(size: int, data: Path) -> None:
    file = data.parent / "records.mrc"
    generate.write(file, size)
    environment = environment_with(DATA=str(data), PYTHONPATH=str(CHECKOUT))
    for words in (["migrate"], ["import", str(file), "--source", "bench", "--new-source"]):
        command = [sys.executable, "-P", "-m", "chassis.cli.commands", *words]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def _compare(data: Path, size: int, *, access_lines: TextIO) -> None:
    variables = {"DATA": str(data), "METRICS_PORT": str(free_port()), "RATE_LIMIT": "0"}
    settings = load_settings(variables)
    service = load("catalog")
    database = service.open_database(settings)
    resources = Resources(settings=settings, database=database, service=service)
    inproc.register(service.name, resolve(service.rpc)(resources), resolve(service.adder))
    plain = create_app(settings)
    with_access_log = create_app(load_settings({**variables, "ACCESS_LOG": "on"}))
    (handler,) = access_log.handlers
    assert isinstance(handler, StreamHandler)
    handler.setStream(access_lines)
    async with plain.router.lifespan_context(plain), with_access_log.router.lifespan_context(with_access_log):
        queries = [f"q={urlencode({'': query})[1:]}".encode() for query in generate.queries(REQUESTS)]
        cases: dict[str, tuple[App, bool]] = {
            "without": (plain, False),
            "without (2)": (plain, False),  # the same again: its difference is what the measurement is worth
            "metrics": (plain, True),
            "access log": (with_access_log, False),
        }
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        switch = _Switch(settings)
        await _search(plain, queries)
        gc.collect()
        gc.freeze()
        order = random.Random(1)
        for _ in range(ROUNDS):
            # What ran before changes the caches: in a fixed order one case seems to cost up to 40 µs.
            for name in order.sample(list(cases), len(cases)):
                app, with_metrics = cases[name]
                switch.turn(with_metrics)
                await _search(app, queries[:5])
                start = time.process_time()
                await _search(app, queries)
                seconds[name].append((time.process_time() - start) / len(queries))
    base = seconds["without"]
    print(f"{size} records, {ROUNDS} rounds of {REQUESTS} searches, µs of CPU for a search (median)")
    for name, values in seconds.items():
        more = statistics.median(value - plain for value, plain in zip(values, base, strict=True))
        share = 100 * more / statistics.median(base)
        print(f"{name:12} {statistics.median(values) * 1e6:7.1f}   {more * 1e6:+6.1f}   {share:+5.1f} %")
    switch.turn(True)
    for _ in range(1000):
        metrics.observe_request("/a", "GET", 200, 0.001)
    start = time.process_time()
    for _ in range(20_000):
        metrics.observe_request("/a", "GET", 200, 0.001)
        metrics.observe_call("a/B", "OK", 0.001)
    print(f"the two observations of a request: {(time.process_time() - start) / 20_000 * 1e6:.1f} µs")
    shared = metrics.own()
    assert shared is not None
    with closing(open_depths(resources)) as depths:
        for name, act in {
            "a scrape": lambda: list(shared.collect()),
            "samples of a service": lambda: shared.write_service(
                "bench", sampling.samples_of(resources, depths, shared)
            ),
        }.items():
            act()
            start = time.process_time()
            for _ in range(10):
                act()
            print(f"{name}: {(time.process_time() - start) * 1e2:.1f} ms")
    database.close()


class _Switch:
    """Turns the metrics of this process off and on again, so that both cases have the same threads and files."""

    def __init__(self, settings: Settings) -> None:
        metrics.start(settings, "bench")
        self._shared = metrics.own()

    def turn(self, is_on: bool) -> None:
        metrics._shared = self._shared if is_on else None


async def _search(app: App, queries: list[bytes]) -> None:
    for query in queries:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/api/v1/search",
            "raw_path": b"/api/v1/search",
            "query_string": query,
            "root_path": "",
            "headers": [(b"host", b"localhost"), (b"accept", b"application/json")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        statuses: list[int] = []
        await app(scope, _receive, lambda message, statuses=statuses: _send(message, statuses))
        assert statuses == [200], statuses


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: dict[str, Any], statuses: list[int]) -> None:
    if message["type"] == "http.response.start":
        statuses.append(message["status"])


if __name__ == "__main__":
    main()
