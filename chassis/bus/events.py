"""emit() writes an event in the transaction of the act that it reports."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from sqlalchemy import insert
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus import Event
from chassis.bus.outbox import outbox
from chassis.context import Context
from chassis.ids import new_id
from chassis.metrics import telemetry

_EMIT = insert(outbox)  # built once, because every act runs it


def emit(session: Session, message: Message, *, aggregate_id: UUID | str, version: int, context: Context) -> UUID:
    """Write an event; the relay publishes it after the caller's transaction has committed.

    message       named in the past tense; one for each act, with all the state that receivers need
    aggregate_id  the object of the act
    version       version of the aggregate; it grows, so that receivers keep the newest state in any order of arrival
    context       actor and institution of the act
    returns       the event's id
    """
    body = MessageToJson(message, preserving_proto_field_name=True, indent=None)
    return emit_json(session, type(message), body, aggregate_id=aggregate_id, version=version, context=context)


def emit_json(
    session: Session,
    message_type: type[Message],
    body: str,
    *,
    aggregate_id: UUID | str,
    version: int,
    context: Context,
) -> UUID:
    """Write an event whose message is already protobuf JSON; the other arguments are those of emit()."""
    row = row_of_json(message_type, body, aggregate_id=aggregate_id, version=version, context=context)
    session.connection().execute(_EMIT, row)
    event_id: UUID = row["id"]
    return event_id


def row_of(message: Message, *, aggregate_id: UUID | str, version: int, context: Context) -> dict[str, Any]:
    """Return the row that emit() would write, for acts that build it before their transaction."""
    body = MessageToJson(message, preserving_proto_field_name=True, indent=None)
    return row_of_json(type(message), body, aggregate_id=aggregate_id, version=version, context=context)


def row_of_json(
    message_type: type[Message], body: str, *, aggregate_id: UUID | str, version: int, context: Context
) -> dict[str, Any]:
    """Return the row that emit_json() would write."""
    event = Event(
        id=new_id(),
        type=message_type.DESCRIPTOR.full_name,
        body=body,
        aggregate_id=str(aggregate_id),
        version=version,
        institution=context.institution,
        actor=context.actor,
        occurred_at=clock.now(),
        traceparent=telemetry.traceparent(),
    )
    return {"id": event.id, **event.envelope}
