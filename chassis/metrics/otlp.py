"""Sends the metrics of a machine as OTLP over HTTP, with the names of OpenTelemetry's semantic conventions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.core import Metric as Family

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
# These families and labels have other names in Prometheus: underscores for dots, and the unit as a suffix.
_CONVENTIONS = ("http_", "rpc_", "db_")
_CUMULATIVE = AggregationTemporality.CUMULATIVE


class Sender:
    """Sends families to an endpoint.

    endpoint  without /v1/metrics; "" for OpenTelemetry's default
    since     start of the counters, nanoseconds of Unix time; a later start would mean that they were reset
    """

    def __init__(self, endpoint: str, *, since: int) -> None:
        self._since = since
        self._exporter = OTLPMetricExporter(endpoint=(endpoint or DEFAULT_ENDPOINT).rstrip("/") + "/v1/metrics")
        self._resource = Resource.create({"service.name": "rangkiang"})

    def send(self, families: Iterable[Family]) -> None:
        """Send the families now. The library logs a failure; the next call sends newer values."""
        now = time.time_ns()
        scope = ScopeMetrics(
            InstrumentationScope("rangkiang"), [_metric(family, self._since, now) for family in families], ""
        )
        self._exporter.export(MetricsData([ResourceMetrics(self._resource, [scope], "")]))

    def close(self) -> None:
        self._exporter.shutdown()


def _metric(family: Family, since: int, now: int) -> Metric:
    data: Any
    if family.type == "histogram":
        data = Histogram(list(_histogram_points(family, since, now)), _CUMULATIVE)
    else:
        points = [
            NumberDataPoint(_attributes(sample.labels), since, now, sample.value)
            for sample in family.samples
            if not sample.name.endswith("_created")
        ]
        data = Sum(points, _CUMULATIVE, is_monotonic=True) if family.type == "counter" else Gauge(points)
    name, unit = family.name, ""
    if name.startswith(_CONVENTIONS):
        unit = "s" if name.endswith("_seconds") else ""
        name = name.removesuffix("_seconds").replace("_", ".")
    return Metric(name, family.documentation, unit, data)


def _histogram_points(family: Family, since: int, now: int) -> Iterator[HistogramDataPoint]:
    """Yield a point for each set of labels. Buckets of Prometheus include the lower ones, those of OTLP do not."""
    buckets: dict[tuple[tuple[str, str], ...], dict[float, int]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in family.samples:
        labels = dict(sample.labels)
        bound = labels.pop("le", "")
        key = tuple(sorted(labels.items()))
        if bound:
            buckets.setdefault(key, {})[float(bound)] = int(sample.value)
        elif sample.name.endswith("_sum"):
            sums[key] = sample.value
    for key, upto in buckets.items():
        bounds = sorted(upto)
        yield HistogramDataPoint(
            attributes=_attributes(dict(key)),
            start_time_unix_nano=since,
            time_unix_nano=now,
            count=upto[bounds[-1]],
            sum=sums[key],
            bucket_counts=[after - before for before, after in pairwise([0, *(upto[bound] for bound in bounds)])],
            explicit_bounds=bounds[:-1],
            min=None,  # type: ignore[arg-type]
            max=None,  # type: ignore[arg-type]
        )


def _attributes(labels: dict[str, str]) -> dict[str, str]:
    return {
        name.replace("_", ".").replace("status.code", "status_code") if name.startswith(_CONVENTIONS) else name: value
        for name, value in labels.items()
    }
