"""One trace covers the act, the outbox, the bus and the handler, on both buses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.bus.local_delivery import Deliveries
from chassis.metrics import telemetry
from tests.example_services.installation import (
    Installation,
    eventually,
    installation_of,
    start_worker,
    stop_workers,
    wait_until_ready,
)
from tests.example_services.special_orders import TRACING
from tests.migrated import MigratedDatabases


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    telemetry.trace_to(SimpleSpanProcessor(exporter), "test")
    yield exporter
    telemetry.stop()


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """The address of an OTLP endpoint and the requests that it received."""
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def receive_in_a_trace(installation: Installation, spans: InMemorySpanExporter) -> str:
    """Receive an article in a trace; return the trace id, 32 hex digits."""
    with telemetry.span("act"):
        installation.receive("mango")
    act = next(span for span in spans.get_finished_spans() if span.name == "act")
    return format(act.context.trace_id, "032x")


def trace_of_the_order(installation: Installation) -> str:
    return installation.placed()[0].split("-")[1]


def test_a_handler_on_the_local_bus_continues_the_acts_trace(
    tmp_path: Path, spans: InMemorySpanExporter, migrated: MigratedDatabases
) -> None:
    with installation_of("local", tmp_path, migrated) as installation:
        trace = receive_in_a_trace(installation, spans)
        installation.publish()
        Deliveries(replace(installation.orders, service=TRACING)).run_due(threading.Event())
        assert trace_of_the_order(installation) == trace


def test_a_worker_continues_the_acts_trace(
    servers: dict[str, str],
    tmp_path: Path,
    spans: InMemorySpanExporter,
    collector: tuple[str, list[ExportTraceServiceRequest]],
    migrated: MigratedDatabases,
) -> None:
    endpoint, received = collector
    with installation_of("amqp", tmp_path, migrated) as installation:
        installation.declare()
        trace = receive_in_a_trace(installation, spans)
        installation.publish()
        worker = start_worker(
            installation.orders,
            manifest="tests.example_services.special_orders:TRACING",
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        )
        try:
            wait_until_ready(worker)
            eventually(lambda: len(installation.placed()) == 1)
        finally:
            stop_workers(worker)
        assert trace_of_the_order(installation) == trace
    names = {
        (span.name, span.trace_id.hex())
        for request in received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert ("process place_order", trace) in names


def test_without_tracing_an_event_has_no_trace(tmp_path: Path, migrated: MigratedDatabases) -> None:
    with installation_of("local", tmp_path, migrated) as installation:
        installation.receive("mango")
        installation.publish()
        Deliveries(replace(installation.orders, service=TRACING)).run_due(threading.Event())
        assert installation.placed() == [""]
