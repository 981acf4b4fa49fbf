"""The metrics of this process in prometheus_client's multiprocess folder, DATA/metrics, and the port with the sums.

The name of a process's files has its slot in place of its process id: a file that the process locks. The kernel frees
the lock when the process dies; the next process of the slot continues its counters, so no restarts of a worker fill the
folder. The first process of a machine begins with an empty folder.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server, values
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from chassis.metrics import Sample
from chassis.settings import Settings

log = logging.getLogger(__name__)

# Seconds. Searches with hits take 1 ms, answers from tables 10 to 100; calls end after 5.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Allocated before use, because a write to a mapped file kills the process if the full disk cannot extend the file.
FILE_BYTES = {"histogram": 1 << 21, "counter": 1 << 16, "gauge_livesum": 1 << 16, "gauge_livemin": 1 << 16}
SAMPLE_SECONDS = 5.0
# Older samples of a service are not shown, so that one sees that no process takes them.
FRESH_SECONDS = 6 * SAMPLE_SECONDS
TAKE_OVER_SECONDS = 1.0


class SharedMetrics:
    """The metrics of this process, and a collector of those of all processes of the machine.

    folder  DATA/metrics
    raises  OSError  the folder cannot be used, or the disk is full
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        slot, self._handle = _take_slot(folder)
        mark_process_dead(slot, str(folder))  # type: ignore[no-untyped-call]
        for kind, size in FILE_BYTES.items():
            with (folder / f"{kind}_{slot}.db").open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # the library has no other way to name the folder
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
        self._server: Any = None
        self._stop = threading.Event()
        self.requests = _histogram(
            "http_server_request_duration_seconds",
            "HTTP requests by route, method and status",
            ("http_route", "http_request_method", "http_response_status_code"),
        )
        self.calls = _histogram(
            "rpc_server_call_duration_seconds",
            "Calls of services by method and status",
            ("rpc_method", "rpc_response_status_code"),
        )
        self.limited = _counter(
            "rangkiang_http_rate_limited_requests", "Requests refused with 429, by what is counted", "quota"
        )
        self.degraded = _counter(
            "rangkiang_degraded_answers",
            "Answers from the tables because the search engine does not answer",
            "rpc_method",
        )
        self.connections = _gauge(
            "db_client_connection_count",
            "Connections of the database's pools, by state",
            "db_client_connection_pool_name",
            "db_client_connection_state",
        )
        self.most_connections = _gauge(
            "db_client_connection_max", "Connections that the pools may open", "db_client_connection_pool_name"
        )
        self.leases = _gauge("rangkiang_lease_held", "Processes that hold the role", "service", "role")
        self.processes = _gauge("rangkiang_processes", "Running processes of this machine", "process")
        self.certificates = Gauge(
            "rangkiang_certificate_end_timestamp_seconds",
            "When a certificate expires",
            ("process", "variable"),
            registry=None,
            multiprocess_mode="livemin",
        )

    def lock(self, name: str) -> int | None:
        """Take a lock of this machine until its handle is closed or the process ends; None if another has it."""
        return _lock(self._folder / f"{name}.lock")

    def write_service(self, service: str, samples: Iterable[Sample]) -> None:
        """Replace the samples of a service, also those of another process. Raises OSError."""
        path = self._folder / f"service-{service}.json"
        new = path.with_suffix(f".{os.getpid()}.new")
        try:
            new.write_text(json.dumps([asdict(sample) for sample in samples]), encoding="utf-8")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    def service_samples(self, service: str) -> list[Sample]:
        """Return the last samples of a service, of any age; empty if they cannot be read."""
        return _read_samples(self._folder / f"service-{service}.json")

    def collect(self) -> Iterator[Metric]:
        """Yield the sums of all processes of this machine, and the samples of services."""
        for path in self._folder.glob("slot-*.lock"):
            if not _is_locked(path):
                mark_process_dead(path.stem.partition("-")[2], str(self._folder))  # type: ignore[no-untyped-call]
        for family in MultiProcessCollector(None, str(self._folder)).collect():  # type: ignore[no-untyped-call]
            if family.name == "rangkiang_lease_held":
                family.samples = [sample for sample in family.samples if sample.value]
            yield family
        yield from _families(self._fresh_samples())

    def _fresh_samples(self) -> Iterator[Sample]:
        for path in self._folder.glob("service-*.json"):
            age = max(0.0, time.time() - path.stat().st_mtime)
            service = path.stem.partition("-")[2]
            yield Sample("rangkiang_sample_age_seconds", "Age of a service's samples", age, {"service": service})
            if age < FRESH_SECONDS:
                yield from _read_samples(path)

    def serve(self, settings: Settings) -> None:
        """Serve /metrics in a thread as soon as no other process of this machine does."""
        threading.Thread(target=self._serve, args=(settings,), name="metrics", daemon=True).start()

    def _serve(self, settings: Settings) -> None:
        registry = CollectorRegistry()
        registry.register(self)
        refused = False
        while not self._stop.is_set():
            try:
                self._server, _thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
                return
            except OSError as problem:
                if problem.errno != errno.EADDRINUSE and not refused:
                    log.warning("metrics_not_served", extra={"port": settings.metrics_port, "why": problem.strerror})
                    refused = True
            self._stop.wait(TAKE_OVER_SECONDS)

    def close(self) -> None:
        """Free slot and port. For tests only: the kernel does it when a process ends."""
        self._stop.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        os.close(self._handle)


def _histogram(name: str, text: str, labels: tuple[str, ...]) -> Histogram:
    return Histogram(name, text, labels, registry=None, buckets=BUCKETS)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=None)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=None, multiprocess_mode="livesum")


def _take_slot(folder: Path) -> tuple[int, int]:
    """Take the first free slot; return its number and the handle of its lock. Raises OSError."""
    with (folder / "start.lock").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)  # so that no other process begins between the look and the deletion
        if not any(map(_is_locked, folder.glob("slot-*.lock"))):
            for path in folder.rglob("*.db"):
                path.unlink(missing_ok=True)
        slot, handle = next(
            (slot, handle) for slot in count() if (handle := _lock(folder / f"slot-{slot}.lock")) is not None
        )
    return slot, handle


def _lock(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _is_locked(path: Path) -> bool:
    handle = _lock(path)
    if handle is not None:
        os.close(handle)
    return handle is None


def _read_samples(path: Path) -> list[Sample]:
    try:
        return [Sample(**values) for values in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def _families(samples: Iterable[Sample]) -> list[Metric]:
    families: dict[str, Any] = {}
    for sample in samples:
        family = families.get(sample.name)
        if family is None:
            kind = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
            family = families[sample.name] = kind(sample.name, sample.help, labels=sorted(sample.labels))
        family.add_metric([sample.labels[name] for name in sorted(sample.labels)], sample.value)
    return list(families.values())
