"""An OTLP endpoint that keeps the spans of processes under test."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """A received span. process  service.name of its process"""

    id: str
    parent: str
    trace: str
    name: str
    process: str


class Receiver:
    """An OTLP endpoint in this process."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._spans: dict[str, Span] = {}
        self._read = 0  # number of bodies whose spans are known
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "1000",
        }
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def spans(self) -> dict[str, Span]:
        """Every span by its id."""
        for body in self.bodies[self._read :]:
            self._read_spans(body)
            self._read += 1
        return self._spans

    def _read_spans(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            [process] = [item.value.string_value for item in resource.resource.attributes if item.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    ids = span.span_id.hex(), span.parent_span_id.hex(), span.trace_id.hex()
                    self._spans[ids[0]] = Span(*ids, span.name, process.removeprefix("rangkiang-"))

    def chains(self, name: str) -> list[list[tuple[str, str]]]:
        """Return name and process of each span of this name, followed by those of its ancestors."""
        spans = self.spans
        chains = []
        for span in [span for span in spans.values() if span.name == name]:
            ancestors: list[tuple[str, str]] = []
            current: Span | None = span
            while current is not None:
                ancestors.append((current.name, current.process))
                current = spans.get(current.parent)
            chains.append(ancestors)
        return chains

    def close(self) -> None:
        """End the endpoint."""
        self.server.shutdown()
        self.server.server_close()
