"""Runs handlers on events, for both buses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, NamedTuple, cast

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import Message
from sqlalchemy.orm import Session

from chassis.bus import Event
from chassis.bus.inbox import record_deliveries
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Invalid
from chassis.metrics import telemetry
from chassis.service import Consumer
from chassis.urls import resolve


class Delivery(NamedTuple):
    """An event, read as its message, for one handler."""

    consumer: Consumer
    event: Event
    message: Message


def handle(
    database: Database,
    events: Sequence[tuple[Consumer, Event]],
    *,
    claim: Callable[[Session], None] = lambda _session: None,
    marking: Callable[[str], AbstractContextManager[None]] = lambda _key: nullcontext(),
) -> None:
    """Handle events in order, with their effects and inbox rows in one transaction; once more after a write conflict.

    An event that its handler has handled before has no effect.

    claim    called first inside the transaction
    marking  surrounds each call of a handler; gets "handler/event id", or "handler/" for a call with many events
    raises   Invalid  EVENT_UNREADABLE, and the errors of the handlers; then no event has an effect
    """
    deliveries = [Delivery(consumer, event, read_body(consumer, event)) for consumer, event in events]

    def act(session: Session) -> None:
        claim(session)
        keys = [(consumer.name, event.id) for consumer, event in events]
        new = record_deliveries(session, keys)
        for group in _groups([delivery for key, delivery in zip(keys, deliveries, strict=True) if key in new]):
            (consumer, event, message), *others = group
            with _span(consumer, event), marking(f"{consumer.name}/{'' if others else event.id}"):
                handler = resolve(consumer.handler)
                if consumer.takes_many:
                    handler(session, [(delivery.message, context_of(delivery.event)) for delivery in group])
                else:
                    handler(session, message, context_of(event))
                session.flush()
            # So that the next handler reads rows from the database, not from the session of this one.
            session.expunge_all()

    database.run(system(f"handler:{events[0][0].name}"), act)


def _groups(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Divide events into those of one call of a handler; with tracing each event has its own call, in its own trace."""
    for (_, takes_many), group in groupby(deliveries, key=_handler_of):
        if takes_many and not telemetry.is_tracing():
            yield list(group)
        else:
            yield from ([delivery] for delivery in group)


def _handler_of(delivery: Delivery) -> tuple[str, bool]:
    return delivery.consumer.handler, delivery.consumer.takes_many


def _span(consumer: Consumer, event: Event) -> AbstractContextManager[None]:
    return telemetry.span(
        f"process {consumer.name}",
        kind="consumer",
        parent={"traceparent": event.traceparent},
        messaging_message_id=str(event.id),
    )


def context_of(event: Event) -> Context:
    """Return the context for the handler of an event: actor and institution of the act that the event reports."""
    return Context(institution=event.institution, actor=event.actor, request_id=str(event.id))


def read_body(consumer: Consumer, event: Event) -> Message:
    """Parse the body as its message and ignore unknown fields. Raises Invalid EVENT_UNREADABLE."""
    fields = _plain_fields(cast("Any", consumer.event))
    if fields is not None:
        with suppress(ValueError, TypeError, KeyError, AttributeError):  # then Parse decides
            return consumer.event(**_read_fields(fields, orjson.loads(event.body)))
    try:
        return Parse(event.body, consumer.event(), ignore_unknown_fields=True)
    except (ParseError, RecursionError) as problem:
        raise Invalid("EVENT_UNREADABLE", type=event.type, why=str(problem)[:200]) from problem


_Fields = Mapping[str, Callable[[Any], Any]]


@lru_cache(maxsize=256)
def _plain_fields(message_type: type[Message]) -> _Fields | None:
    """Return field -> its reader, for a message with only texts, numbers without decimals, truth values, times and
    messages of these; else None.

    Facts of loans are of this kind and are read by three services, and Parse takes eight times as long.
    """
    try:
        return _readers(message_type.DESCRIPTOR)
    except LookupError:
        return None


def _readers(descriptor: Any) -> _Fields:
    readers: dict[str, Callable[[Any], Any]] = {}
    for field in descriptor.fields:
        if field.is_repeated:
            raise LookupError(field.name)
        if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
            readers[field.name] = _READERS[field.cpp_type]
        elif field.message_type.full_name == "google.protobuf.Timestamp":
            readers[field.name] = _read_time
        else:
            readers[field.name] = partial(_read_fields, _readers(field.message_type))
    return readers


def _read_text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _read_integer(value: Any) -> int:
    if type(value) not in (int, str):
        raise TypeError
    return int(value)


def _read_truth(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def _read_time(value: Any) -> datetime:
    if not value.endswith("Z"):
        raise TypeError
    return datetime.fromisoformat(value)


_READERS = {
    FieldDescriptor.CPPTYPE_STRING: _read_text,
    FieldDescriptor.CPPTYPE_INT32: _read_integer,
    FieldDescriptor.CPPTYPE_INT64: _read_integer,
    FieldDescriptor.CPPTYPE_BOOL: _read_truth,
}


def _read_fields(fields: _Fields, values: Any) -> dict[str, Any]:
    return {name: fields[name](value) for name, value in values.items()}
