"""Runs a handler on an event, for both buses."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import Message
from sqlalchemy.orm import Session

from chassis.bus import Event
from chassis.context import Context, system
from chassis.db import Database
from chassis.errors import Invalid
from chassis.inbox import record_delivery
from chassis.service import Consumer
from chassis.urls import resolve


def handle(
    database: Database, consumer: Consumer, event: Event, *, claim: Callable[[Session], bool] | None = None
) -> bool:
    """Run a handler on an event: its effect and its inbox row are one transaction; a write conflict is tried once more.

    claim    called first inside the transaction; when it returns False nothing is done
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
    """Return the context of the act that the event reports, for its handler."""
    return Context(institution=event.institution, actor=event.actor, request_id=str(event.id))


def read_body(consumer: Consumer, event: Event) -> Message:
    """Parse the body as its message and ignore unknown fields. Raises Invalid EVENT_UNREADABLE."""
    try:
        return Parse(event.body, consumer.event(), ignore_unknown_fields=True)
    except (ParseError, RecursionError) as problem:
        raise Invalid("EVENT_UNREADABLE", type=event.type, why=str(problem)[:200]) from problem
