"""Metrics of a process: histograms and counters that its code adds to, in files that all processes of a machine share.

Off unless METRICS_PORT or OTEL_METRICS_EXPORTER is set: each function here then returns at once, and prometheus_client
is not imported. Names are those of OpenTelemetry's semantic conventions where there are any; docs/metrics.md has all.
This package imports neither gRPC nor SQLAlchemy: chassis.sampling reads databases.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
_http: Any = None
_rpc: Any = None
_limited: Any = None
_degraded: Any = None
# Children of the histograms by their label values: `labels` of the library takes as long as an observation.
_children: dict[tuple[str, ...], Any] = {}
# (service, role) of the leases that this process holds.
held_leases: set[tuple[str, str]] = set()


@dataclass(frozen=True, slots=True)
class Sample:
    """A value that was read, such as the number of waiting events.

    name   without the `_total` of counters
    kind   "gauge", or "counter" for a sum that never falls
    """

    name: str
    help: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)
    kind: str = "gauge"


def start(settings: Settings, process: str) -> None:
    """Take a place among the processes of this machine, and serve /metrics if no other process does.

    A second call does nothing. A folder that cannot be used is logged, and the process runs without metrics.

    process  its name, as for `telemetry.start`
    """
    global _store, _http, _rpc, _limited, _degraded
    if _store is not None or not (settings.metrics_port or settings.otel_metrics_exporter == "otlp"):
        return
    store_class: type[Store] = resolve("chassis.metrics.store:Store")
    try:
        _store = store_class(settings.data / "metrics", process)
        _store.write_gauges(())
    except OSError as problem:
        log.warning("metrics_not_started", extra={"file": problem.filename, "why": problem.strerror})
        return
    histogram, counter = _store.histogram, _store.counter
    _http = histogram(
        HTTP,
        "HTTP requests by route, method and status",
        ("http_route", "http_request_method", "http_response_status_code"),
        BUCKETS,
    )
    _rpc = histogram(RPC, "Calls of services by method and status", ("rpc_method", "rpc_response_status_code"), BUCKETS)
    _limited = counter(LIMITED, "Requests refused with 429, by what is counted", ("quota",))
    _degraded = counter(DEGRADED, "Answers from the tables because the search engine does not answer", ("rpc_method",))
    resolve("chassis.metrics.export:start")(settings, _store)


def is_on() -> bool:
    return _store is not None


def own_store() -> Store | None:
    """Return where this process writes its metrics; None when they are off."""
    return _store


def stop() -> None:
    """Leave the place of this process to another; its counts stay. For tests: a process that ends need not call it."""
    global _store, _http, _rpc, _limited, _degraded
    left, _store = _store, None
    _http = _rpc = _limited = _degraded = None
    _children.clear()
    held_leases.clear()
    if left is not None:
        resolve("chassis.metrics.export:stop")()
        left.close()


def observe_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count an HTTP request.

    route  template, such as /records/{record_id}; "" when no route matched or the request was refused before
    """
    if _http is None:
        return
    key = (route or "none", method if method in METHODS else "other", str(status))
    child = _children.get(key)
    if child is None:
        child = _children[key] = _http.labels(*key)
    child.observe(seconds)


def observe_call(method: str, code: str, seconds: float) -> None:
    """Count a call of a service, over gRPC or inside the process.

    method  package.Service/Method
    code    name of the gRPC status, "OK" …
    """
    if _rpc is None:
        return
    key = (method, code)
    child = _children.get(key)
    if child is None:
        child = _children[key] = _rpc.labels(*key)
    child.observe(seconds)


def count_limited(quota: str) -> None:
    """Count a request that RATE_LIMIT refused. quota  "address" or "credential" """
    if _limited is not None:
        _limited.labels(quota).inc()


def count_degraded(method: str) -> None:
    """Count an answer that the search engine did not give. method  as for `observe_call`"""
    if _degraded is not None:
        _degraded.labels(method).inc()


@contextmanager
def holding(service: str, role: str) -> Iterator[None]:
    """Show in the metrics that this process holds the role during the block."""
    held_leases.add((service, role))
    try:
        yield
    finally:
        held_leases.discard((service, role))
