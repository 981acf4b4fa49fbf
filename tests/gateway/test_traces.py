from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_trace_id

from chassis.metrics import telemetry
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Finished spans, in memory."""
    exporter = InMemorySpanExporter()
    telemetry.trace_to(SimpleSpanProcessor(exporter), "tests")
    yield exporter
    telemetry.stop()


def test_the_request_and_the_catalogue_call_are_in_one_trace(spans: InMemorySpanExporter) -> None:
    with served_catalog(FakeCatalog()) as url, served_gateway(url) as address:
        headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        assert httpx.get(f"{address}/api/v1/search?q=surau", headers=headers, verify=False).status_code == 200
    spans_by_name = {span.name: span for span in spans.get_finished_spans() if span.context is not None}
    assert {format_trace_id(span.context.trace_id) for span in spans_by_name.values() if span.context} == {TRACE}
    assert "GET /api/v1/search" in spans_by_name
    assert sum(name.endswith("Catalog/Search") for name in (span.name for span in spans.get_finished_spans())) == 2
