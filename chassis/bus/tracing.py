"""One trace from the act through outbox and bus to the handler; nothing happens while nobody traces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.bus import Event
from chassis.service import Consumer


@contextmanager
def handling(event: Event, consumer: Consumer) -> Iterator[None]:
    """A consumer span around the handler, child of the span that emitted the event."""
    parent = TraceContextTextMapPropagator().extract({"traceparent": event.traceparent})
    with trace.get_tracer(__name__).start_as_current_span(
        f"process {consumer.name}",
        context=parent,
        kind=trace.SpanKind.CONSUMER,
        attributes={
            "messaging.operation.type": "process",
            "messaging.destination.name": event.type,
            "messaging.message.id": str(event.id),
        },
    ):
        yield
