"""Logs of a process, its metrics if a port is set, and its traces if an OTLP endpoint is set.

Traces are sent as OTLP over HTTP and sampled by OTEL_TRACES_SAMPLER. Without an endpoint OpenTelemetry is not imported.
This module imports neither gRPC, for which chassis.rpc makes spans, nor SQLAlchemy, whose engines chassis.database
passes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from textwrap import indent
from traceback import format_tb
from typing import Any

from chassis import metrics
from chassis.errors import Error
from chassis.output import LAYOUT, hide_passwords, json_text, visible
from chassis.settings import DEFAULT_SECRETS, Settings
from chassis.urls import password_of

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_OFF: AbstractContextManager[None] = nullcontext()
_tracer: Any = None
_provider: Any = None


def start(settings: Settings, process: str) -> None:
    """Set up logging, and metrics and tracing if they are set; call it once, at the start of a process.

    process  name of the process in logs and traces: "up", "gateway", "catalog" …
    """
    start_logs(settings, process)
    metrics.start(settings, process)
    _start_tracing(settings, process)


def start_logs(settings: Settings, process: str) -> None:
    """Set up logging alone, for a process whose forks call `start`: metrics and tracing start threads."""
    _hide_passwords_of(settings)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings, process))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name in ("alembic", "httpx", "elastic_transport", "amqp", "kombu", "nameko"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))


@contextmanager
def command(settings: Settings) -> Iterator[None]:
    """Trace a command in a span with its name, if an endpoint is set; write its warnings in the form of logs.

    A command does not start logging. Its events continue its trace. Passwords are hidden as by `start`.
    """
    _hide_passwords_of(settings)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_formatter(settings, "command"))
    _start_tracing(settings, "command")
    try:
        with span(" ".join(["rangkiang", *sys.argv[1:2]])):
            yield
    finally:
        stop()


def _start_tracing(settings: Settings, process: str) -> None:
    if settings.otel_exporter_otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
        trace_to(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)), process)


def log_as_json(logger: logging.Logger, process: str) -> None:
    """Write the lines of this logger as JSON to standard error, at any LOG_LEVEL and LOG_FORMAT."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(process))
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)


def _hide_passwords_of(settings: Settings) -> None:
    """Hide the passwords in the URLs of all settings, in logs and in the output of commands."""
    values = {**vars(settings), **(settings.model_extra or {})}
    urls = [str(value) for name, value in values.items() if name.endswith(("_url", "_endpoint", "_proxy"))]
    hide_passwords(map(password_of, urls), known=DEFAULT_SECRETS)


def _formatter(settings: Settings, process: str) -> logging.Formatter:
    return _Json(process) if settings.log_format == "json" else _Text()


def trace_to(processor: Any, process: str) -> None:
    """Start tracing, with finished spans passed to this OpenTelemetry span processor."""
    global _provider, _tracer
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

    stop()
    resource = Resource.create({"service.name": f"rangkiang-{process}"})
    _provider = TracerProvider(resource=resource)
    _provider.add_span_processor(processor)
    _tracer = _provider.get_tracer("rangkiang")
    # The client of Elasticsearch makes its own spans, with the global provider, which a process can set only once. They
    # are recorded only inside our spans, because those of the indexer would be most of the traces.
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        libraries = TracerProvider(resource=resource, sampler=ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
        libraries.add_span_processor(processor)
        trace.set_tracer_provider(libraries)


def stop() -> None:
    """Send the waiting spans and stop tracing."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


def is_tracing() -> bool:
    return _tracer is not None


def span(
    name: str, *, kind: str = "internal", parent: Mapping[str, str] | None = None, **attributes: str | int
) -> AbstractContextManager[None]:
    """Trace the block, as a part of the current span.

    kind        "internal", "server", "client", "producer" or "consumer"
    parent      carrier of a traceparent (headers, metadata) that this span continues
    attributes  names with `_` in place of OpenTelemetry's dots
    """
    return _OFF if _tracer is None else _span(name, kind, parent, attributes)


@contextmanager
def _span(
    name: str, kind: str, parent: Mapping[str, str] | None, attributes: Mapping[str, str | int]
) -> Iterator[None]:
    from opentelemetry import trace

    with _tracer.start_as_current_span(
        name,
        context=None if parent is None else _trace_context(parent),
        kind=trace.SpanKind[kind.upper()],
        attributes={key.replace("_", "."): value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield
        except Exception as problem:
            _record(current, problem)
            raise


def _record(current: Any, problem: Exception) -> None:
    """Record an exception in a span without its message, which may repeat typed text."""
    from opentelemetry.trace import StatusCode

    kind = type(problem)
    description = kind.__name__
    attributes = {"exception.type": f"{kind.__module__}.{kind.__qualname__}"}
    if isinstance(problem, Error):
        attributes["rangkiang.reasons"] = ", ".join(refusal.reason for refusal in problem.refusals)
        description += f": {attributes['rangkiang.reasons']}"
    else:
        attributes["exception.stacktrace"] = "".join(format_tb(problem.__traceback__))
    current.add_event("exception", attributes)
    current.set_status(StatusCode.ERROR, description)


def _trace_context(carrier: Mapping[str, str]) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(carrier)


def traceparent() -> str:
    """Return the W3C traceparent of the current span; "" without tracing."""
    if _tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


_ADDRESSES = frozenset(("http.url", "http.target", "url.full", "url.path", "url.query"))


def watch_app(app: Any) -> None:
    """Make a span of each HTTP request of this Starlette or FastAPI application; does nothing without tracing."""
    if _tracer is None:
        return
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    def remove_address(span: Any, _scope: Any) -> None:
        # Only the route is recorded, because readers type phone numbers into search boxes, and one-time links are
        # paths.
        for name in _ADDRESSES.intersection(span.attributes or ()):
            span.set_attribute(name, "")

    FastAPIInstrumentor.instrument_app(
        app, server_request_hook=remove_address, tracer_provider=_provider, exclude_spans=["receive", "send"]
    )


def watch_sql(engine: Any, listen: Callable[[Any, str, Callable[..., None]], None]) -> None:
    """Make a span of each statement of this SQLAlchemy engine inside another span; does nothing without tracing.

    Queries that look for work every second have no enclosing span, so they are not traced; they would be most of the
    traces.

    listen  sqlalchemy.event.listen
    """
    if _tracer is None:
        return
    from opentelemetry.trace import SpanKind, StatusCode, get_current_span

    attributes = {"db.system": engine.dialect.name, "db.name": str(engine.url.database)}

    def before(_connection: Any, _cursor: Any, statement: str, _values: Any, execution: Any, _many: bool) -> None:
        if _tracer is not None and get_current_span().get_span_context().is_valid:
            # Safe to record, because values are bound parameters and not in the statement.
            execution.rangkiang_span = _tracer.start_span(
                statement.split(None, 1)[0].upper(),
                kind=SpanKind.CLIENT,
                attributes={**attributes, "db.statement": statement},
            )

    def after(_connection: Any, _cursor: Any, _statement: str, _values: Any, execution: Any, _many: bool) -> None:
        sql_span = getattr(execution, "rangkiang_span", None)
        if sql_span is not None:
            sql_span.end()

    def on_error(problem: Any) -> None:
        sql_span = getattr(problem.execution_context, "rangkiang_span", None)
        if sql_span is not None:
            sql_span.set_status(StatusCode.ERROR, type(problem.original_exception).__name__)
            sql_span.end()

    listen(engine, "before_cursor_execute", before)
    listen(engine, "after_cursor_execute", after)
    listen(engine, "handle_error", on_error)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of `extra` and the ids of the current span."""
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    trace = traceparent()
    if trace:
        fields["trace_id"], fields["span_id"] = trace.split("-")[1:3]
    return fields


class _Text(logging.Formatter):
    """For a terminal: time, level, event, fields. Further lines are indented, so that no text looks like a log line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).astimezone()
        line = f"{moment:%H:%M:%S} {record.levelname:<7} {visible(record.getMessage())}"
        line += "".join(f" {name}={_on_one_line(value)}" for name, value in _fields(record).items())
        if record.exc_info is None:
            return line
        exception = visible(self.formatException(record.exc_info), layout=LAYOUT)
        return f"{line}\n{indent(exception, '  ')}"


def _on_one_line(value: object) -> str:
    text = visible(str(value), layout=LAYOUT)
    return text if text.isprintable() else repr(text)


class _Json(logging.Formatter):
    """For a cluster: one JSON object a line."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info is not None:
            line["exception"] = self.formatException(record.exc_info)
        return json_text(line)
