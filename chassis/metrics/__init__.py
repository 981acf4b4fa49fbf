"""Metrics of a process: histograms, counters and gauges, which one port shows for all processes of a machine.

Metrics are off unless METRICS_PORT is set: then each function returns at once, and prometheus_client is not imported.
Names follow OpenTelemetry's semantic conventions; docs/metrics.md lists them. This package imports neither gRPC nor
SQLAlchemy; chassis.operations.sampling reads databases.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chassis.errors import Unavailable
from chassis.settings import Settings
from chassis.urls import resolve

if TYPE_CHECKING:
    from chassis.metrics.shared import SharedMetrics

log = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_shared: SharedMetrics | None = None


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
    """Count from now on, and serve /metrics if no other process of this machine does. A second call does nothing.

    A folder that cannot be used is logged, and the process runs without metrics.

    process  name of the process, as for `telemetry.start`
    """
    global _shared
    if _shared is not None or not settings.metrics_port:
        return
    shared_class: type[SharedMetrics] = resolve("chassis.metrics.shared:SharedMetrics")
    try:
        _shared = shared_class(settings.data / "metrics")
    except OSError as problem:
        log.warning("metrics_not_started", extra={"file": problem.filename, "why": problem.strerror})
        return
    _shared.processes.labels(process).set(1)
    # When the certificates expire that this process has read at its start; the process refuses unusable ones.
    for variable, path in {"TLS_CERT": settings.tls_cert, "GRPC_CERT": settings.grpc_cert}.items():
        if path:
            with suppress(Unavailable):
                certificate = resolve("chassis.operations.certificate_files:load_certificate")(Path(path))
                _shared.certificates.labels(process, variable).set(certificate.not_valid_after_utc.timestamp())
    _shared.serve(settings)


def own() -> SharedMetrics | None:
    """Return the metrics of this process; None when metrics are off."""
    return _shared


def stop() -> None:
    """Stop counting. For tests only: the kernel frees what a process holds when it ends."""
    global _shared
    left, _shared = _shared, None
    if left is not None:
        left.close()


def observe_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count an HTTP request.

    route  template, such as /records/{record_id}; "" if no route matched or the request was refused earlier
    """
    if _shared is not None:
        # Clients can send any text as a method, so only known ones become labels.
        method = method if method in METHODS else "other"
        _shared.requests.labels(route or "none", method, str(status)).observe(seconds)


def observe_call(method: str, code: str, seconds: float) -> None:
    """Count a call of a service, over gRPC or in-process.

    method  package.Service/Method
    code    name of the gRPC status, "OK" …
    """
    if _shared is not None:
        _shared.calls.labels(method, code).observe(seconds)


def count_limited(quota: str) -> None:
    """Count a request that a limit refused. quota  "address", "credential", or "plan" for a limit of a day"""
    if _shared is not None:
        _shared.limited.labels(quota).inc()


def count_degraded(method: str) -> None:
    """Count an answer without the search engine. method  as for `observe_call`"""
    if _shared is not None:
        _shared.degraded.labels(method).inc()


@contextmanager
def holding(service: str, role: str) -> Iterator[None]:
    """Show in the metrics that this process holds the role during the block."""
    if _shared is None:
        yield
        return
    held = _shared.leases.labels(service, role)
    held.inc()
    try:
        yield
    finally:
        held.dec()
