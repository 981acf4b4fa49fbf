"""Runs a handler on an event, for both buses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, cast

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import Message
from sqlalchemy.orm import Session

from chassis.bus import Event
from chassis.bus.inbox import record_delivery
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Invalid
from chassis.service import Consumer
from chassis.urls import resolve


def handle(
    database: Database, consumer: Consumer, event: Event, *, claim: Callable[[Session], bool] | None = None
) -> bool:
    """Run a handler on an event, with its effect and inbox row in one transaction; once more after a write conflict.

    claim    called first inside the transaction; if it returns False, the handler does not run
    returns  whether the handler ran; False when it has handled the event before
    raises   Invalid  EVENT_UNREADABLE, and the errors of the handler
    """
    message = read_body(consumer, event)
    handler = resolve(consumer.handler)
    context = context_of(event)

    def act(session: Session) -> bool:
        if claim is not None and not claim(session):
            return False
        if not record_delivery(session, consumer.name, event.id):
            return False
        handler(session, message, context)
        return True

    return database.run(system(f"handler:{consumer.name}"), act)


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
