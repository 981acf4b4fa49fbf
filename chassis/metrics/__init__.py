"""Metrics of a process: its histograms and counters, in files that all processes of a machine can read.

Metrics are off unless METRICS_PORT or OTEL_METRICS_EXPORTER is set: then each function returns at once, and
prometheus_client is not imported. Names follow OpenTelemetry's semantic conventions; docs/metrics.md lists them. This
package imports neither gRPC nor SQLAlchemy; chassis.sampling reads databases.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chassis.errors import Unavailable
from chassis.settings import Settings
from chassis.urls import resolve

if TYPE_CHECKING:
    from chassis.metrics.store import Store

log = logging.getLogger(__name__)

# Seconds. Searches with hits take 1 ms, answers from tables 10 to 100; calls end after 5.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

HTTP = "http_server_request_duration_seconds"
RPC = "rpc_server_call_duration_seconds"
LIMITED = "rangkiang_http_rate_limited_requests"
DEGRADED = "rangkiang_degraded_answers"

_store: Store | None = None
# (name, values of labels) -> the function that adds to the histogram or counter.
_adders: dict[tuple[str, ...], Any] = {}
# (service, role) of the leases that this process holds.
held_leases: set[tuple[str, str]] = set()


@dataclass(frozen=True, slots=True)
class Sample:
    """A value that is read and not counted, such as the number of waiting events.

    name   without the `_total` of counters
    kind   "gauge", or "counter" for a sum that never decreases
    """

    name: str
    help: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)
    kind: str = "gauge"


def start(settings: Settings, process: str) -> None:
    """Take a slot among the processes of this machine, and serve /metrics if no other process does.

    A second call does nothing. A folder that cannot be used is logged, and the process runs without metrics.

    process  name of the process, as for `telemetry.start`
    """
    global _store
    if _store is not None or not (settings.metrics_port or settings.otel_metrics_exporter == "otlp"):
        return
    store_class: type[Store] = resolve("chassis.metrics.store:Store")
    try:
        _store = store_class(settings.data / "metrics", process)
        _store.own += _certificate_ends(settings, process)
        _store.write_gauges(())
    except OSError as problem:
        log.warning("metrics_not_started", extra={"file": problem.filename, "why": problem.strerror})
        return
    resolve("chassis.metrics.export:start")(settings, _store)


def _certificate_ends(settings: Settings, process: str) -> Iterator[Sample]:
    """Yield when the certificates expire that this process has read at its start; the process refuses unusable ones."""
    for variable, path in {"TLS_CERT": settings.tls_cert, "GRPC_CERT": settings.grpc_cert}.items():
        if path:
            with suppress(Unavailable):
                end = resolve("chassis.certificate_files:load_certificate")(Path(path)).not_valid_after_utc.timestamp()
                labels = {"process": process, "variable": variable}
                yield Sample("rangkiang_certificate_end_timestamp_seconds", "When a certificate expires", end, labels)


def is_on() -> bool:
    return _store is not None


def own_store() -> Store | None:
    """Return the store of this process's metrics; None when metrics are off."""
    return _store


def stop() -> None:
    """Free the slot of this process; its counts stay. For tests only: the kernel does it when a process ends."""
    global _store
    left, _store = _store, None
    _adders.clear()
    held_leases.clear()
    if left is not None:
        resolve("chassis.metrics.export:stop")()
        left.close()


def observe_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count an HTTP request.

    route  template, such as /records/{record_id}; "" if no route matched or the request was refused earlier
    """
    if _store is None:
        return
    key = (HTTP, route, method, str(status))
    observe = _adders.get(key)
    if observe is None:
        labels = {
            "http_route": route or "none",
            "http_request_method": method if method in METHODS else "other",
            "http_response_status_code": str(status),
        }
        text = "HTTP requests by route, method and status"
        observe = _store.histogram(HTTP, text, labels, BUCKETS)
        # Clients can send any text as a method, so only known ones become labels.
        if method in METHODS:
            _adders[key] = observe
    observe(seconds)


def observe_call(method: str, code: str, seconds: float) -> None:
    """Count a call of a service, over gRPC or in-process.

    method  package.Service/Method
    code    name of the gRPC status, "OK" …
    """
    if _store is None:
        return
    key = (RPC, method, code)
    observe = _adders.get(key)
    if observe is None:
        labels = {"rpc_method": method, "rpc_response_status_code": code}
        observe = _adders[key] = _store.histogram(RPC, "Calls of services by method and status", labels, BUCKETS)
    observe(seconds)


def count_limited(quota: str) -> None:
    """Count a request that RATE_LIMIT refused. quota  "address" or "credential" """
    _count(LIMITED, "Requests refused with 429, by what is counted", quota=quota)


def count_degraded(method: str) -> None:
    """Count an answer without the search engine. method  as for `observe_call`"""
    _count(DEGRADED, "Answers from the tables because the search engine does not answer", rpc_method=method)


def _count(name: str, text: str, **labels: str) -> None:
    if _store is None:
        return
    key = (name, *labels.values())
    count = _adders.get(key)
    if count is None:
        count = _adders[key] = _store.counter(name, text, labels)
    count()


@contextmanager
def holding(service: str, role: str) -> Iterator[None]:
    """Show in the metrics that this process holds the role during the block."""
    held_leases.add((service, role))
    try:
        yield
    finally:
        held_leases.discard((service, role))
