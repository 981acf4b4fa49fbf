"""emit(): write an event in the transaction of the act that it reports."""

from __future__ import annotations

from uuid import UUID

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from sqlalchemy import insert
from sqlalchemy.orm import Session

from chassis import clock, telemetry
from chassis.bus import Event
from chassis.context import Context
from chassis.ids import new_id
from chassis.outbox import outbox


def emit(session: Session, message: Message, *, aggregate_id: UUID | str, version: int, context: Context) -> UUID:
    """Report a fact; the relay publishes it once the caller's transaction has committed.

    message       named in the past tense, coarse (one per act), with enough state to stand alone
    aggregate_id  what it is about
    version       of the aggregate, growing: receivers keep the newest whatever the order of arrival
    context       whose act it was
    returns       the event's id
    """
    event = Event(
        id=new_id(),
        type=message.DESCRIPTOR.full_name,
        body=MessageToJson(message, preserving_proto_field_name=True, indent=None),
        aggregate_id=str(aggregate_id),
        version=version,
        institution=context.institution,
        actor=context.actor,
        occurred_at=clock.now(),
        traceparent=telemetry.traceparent(),
    )
    session.execute(insert(outbox).values(id=event.id, **event.envelope))
    return event.id
