"""Logs, and traces when an endpoint is set."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id
from sqlalchemy import text

from chassis import rpc
from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import NotFound, Unavailable
from chassis.metrics import telemetry
from chassis.rpc import inproc
from chassis.rpc.client import aio_channel
from chassis.rpc.server import Server
from chassis.settings import Settings
from tests.chassis.rpc import echo
from tests.chassis.rpc.echo import Echo, words

SETTINGS = Settings(grpc_port=0, grpc_threads=2)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Finished spans, in memory."""
    exporter = InMemorySpanExporter()
    telemetry.trace_to(SimpleSpanProcessor(exporter), "tests")
    yield exporter
    telemetry.stop()


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


class DatabaseEcho(Echo):
    """An Echo that reads from a database before it replies."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    def Say(self, request: Any, context: Any) -> Any:
        with self._database.reading(rpc.context(context)) as session:
            return words(str(session.scalar(text("SELECT 42"))))


@pytest.mark.parametrize("transport", ["inproc", "dns"])
def test_one_trace_goes_from_http_through_grpc_to_sql(
    spans: InMemorySpanExporter, tmp_path: Path, transport: str
) -> None:
    database = Database(f"sqlite:///{tmp_path}/a.db")
    servicer = DatabaseEcho(database)
    inproc.register("echo", servicer, echo.add)
    server = Server(servicer, echo.add, SETTINGS)
    server.start()
    url = "inproc:echo" if transport == "inproc" else f"dns:///{server.address}"
    app = FastAPI()
    telemetry.watch_app(app)

    @app.get("/ask/{word}")
    async def ask(word: str) -> str:
        async with aio_channel(url, SETTINGS) as channel:
            reply = await echo.generated()[1].EchoStub(channel).Say(words(word))
        return str(reply.text)

    async def visit() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://library") as reader:
            return await reader.get("/ask/x")

    try:
        assert asyncio.run(visit()).json() == "42"
    finally:
        server.stop(1)
        inproc.unregister("echo")
        database.close()

    finished_spans = spans.get_finished_spans()
    path = "rangkiang.tests.echo.v1.Echo/Say"
    assert _chain(finished_spans, "SELECT") == [
        ("SELECT", "CLIENT"), (path, "SERVER"), (path, "CLIENT"), ("GET /ask/{word}", "SERVER")
    ]  # fmt: skip
    assert len({span.context.trace_id for span in finished_spans}) == 1


def test_a_refused_statement_ends_its_span_as_an_error(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/a.db")
    with (
        telemetry.span("act"),
        pytest.raises(Unavailable, match="DATABASE_NOT_MIGRATED"),
        database.reading(READER) as session,
    ):
        session.execute(text("SELECT * FROM nowhere"))
    database.close()
    [span] = [span for span in spans.get_finished_spans() if span.name == "SELECT"]
    assert span.status.status_code.name == "ERROR"


@pytest.mark.parametrize(
    ("problem", "description"),
    [(NotFound("MEMBER_NOT_FOUND", id="Siti"), "NotFound: MEMBER_NOT_FOUND"), (KeyError("Siti"), "KeyError")],
)
def test_a_span_names_an_exception_without_its_message(
    spans: InMemorySpanExporter, problem: Exception, description: str
) -> None:
    with pytest.raises(type(problem)), telemetry.span("act"):
        raise problem
    [span] = spans.get_finished_spans()
    assert (span.status.status_code.name, span.status.description) == ("ERROR", description)
    [event] = span.events
    assert event.attributes is not None
    assert str(event.attributes["exception.type"]).endswith(type(problem).__name__)
    assert "Siti" not in span.to_json()
    if not isinstance(problem, NotFound):
        assert "test_telemetry.py" in str(event.attributes["exception.stacktrace"])


def test_a_statement_outside_a_trace_is_not_traced(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/a.db")
    with database.reading(READER) as session:
        session.execute(text("SELECT 1"))
    database.close()
    assert spans.get_finished_spans() == ()


def test_a_traceparent_continues_the_trace(spans: InMemorySpanExporter) -> None:
    with telemetry.span("act"):
        traceparent = telemetry.traceparent()
    with telemetry.span("effect", kind="consumer", parent={"traceparent": traceparent}):
        pass
    assert _chain(spans.get_finished_spans(), "effect") == [("effect", "CONSUMER"), ("act", "INTERNAL")]


def test_without_an_endpoint_nothing_is_traced_and_the_sdk_is_not_imported() -> None:
    script = (
        "import sys; from chassis.metrics import telemetry; from chassis.settings import Settings;"
        "telemetry.start(Settings(), 'tests');\nwith telemetry.span('x'): pass\n"
        "assert telemetry.traceparent() == '' and not telemetry.is_tracing();"
        "import chassis.rpc.client, chassis.rpc.server;"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_spans_are_sent_to_the_collector_over_http(logging_as_before: None, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Print nothing."""

    collector = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    telemetry.start(Settings(otel_exporter_otlp_endpoint=f"http://127.0.0.1:{collector.server_port}"), "catalog")
    with telemetry.span("act"):
        pass
    telemetry.stop()
    collector.shutdown()
    collector.server_close()
    [(path, body)] = received
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    assert path == "/v1/traces"
    assert resource.scope_spans[0].spans[0].name == "act"
    attributes = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
    assert attributes["service.name"] == "rangkiang-catalog"


@pytest.mark.parametrize("is_sampled", [True, False])
def test_the_sampler_is_set_in_the_environment(monkeypatch: pytest.MonkeyPatch, is_sampled: bool) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on" if is_sampled else "always_off")
    exporter = InMemorySpanExporter()
    telemetry.trace_to(SimpleSpanProcessor(exporter), "tests")
    with telemetry.span("act"):
        pass
    telemetry.stop()
    assert bool(exporter.get_finished_spans()) is is_sampled


def test_a_log_line_in_the_cluster_is_one_json_object_with_its_trace(
    logging_as_before: None, spans: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]
) -> None:
    _start_logging("json")
    with telemetry.span("act"):
        try:
            raise KeyError("missing\nkey")
        except KeyError:
            logging.getLogger("chassis.tests").exception("act_failed", extra={"record": 7, "title": "Padang\n“x”"})
    [line] = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    [span] = spans.get_finished_spans()
    assert (entry["event"], entry["level"], entry["record"], entry["process"]) == ("act_failed", "ERROR", 7, "tests")
    assert entry["span_id"] == format_span_id(span.context.span_id)
    assert "KeyError" in entry["exception"]


def test_a_log_line_on_a_terminal_is_readable(logging_as_before: None, capsys: pytest.CaptureFixture[str]) -> None:
    _start_logging("text")
    logging.getLogger("chassis.tests").info("import_done", extra={"records": 12, "why": "two\nlines"})
    logging.getLogger("chassis.tests").debug("not_shown")
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(r"INFO    import_done records=12 why='two\nlines'")


def _start_logging(form: Any) -> None:
    telemetry.start(Settings(log_format=form), "tests")


def _chain(finished_spans: Any, name: str) -> list[tuple[str, str]]:
    """The span of this name and its ancestors."""
    by_id: dict[int, ReadableSpan] = {span.context.span_id: span for span in finished_spans}
    [span] = [candidate for candidate in finished_spans if candidate.name == name]
    chain: list[tuple[str, str]] = []
    current: ReadableSpan | None = span
    while current is not None:
        chain.append((current.name, current.kind.name))
        current = by_id.get(current.parent.span_id) if current.parent is not None else None
    return chain
