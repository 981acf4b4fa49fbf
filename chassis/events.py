"""emit(): put a fact beside the act it tells of, in the same transaction."""

from __future__ import annotations

from uuid import UUID

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from sqlalchemy import insert
from sqlalchemy.orm import Session

from chassis import clock, telemetry
from chassis.context import Context
from chassis.ids import new_id
from chassis.outbox import outbox


def emit(session: Session, message: Message, *, aggregate_id: UUID | str, version: int, context: Context) -> UUID:
    """Tell a fact; the relay carries it to the bus once the caller's transaction has committed.

    message       in the past tense, coarse (one per act), with enough state to stand alone
    aggregate_id  what it is about
    version       of that, growing: receivers keep the newest whatever the order of arrival
    context       whose act it was
    returns       the event's id
    """
    event_id = new_id()
    session.execute(
        insert(outbox).values(
            id=event_id,
            type=message.DESCRIPTOR.full_name,
            body=MessageToJson(message, preserving_proto_field_name=True, indent=None),
            aggregate_id=str(aggregate_id),
            version=version,
            institution=context.institution,
            actor=context.actor,
            occurred_at=clock.now(),
            traceparent=telemetry.traceparent(),
        )
    )
    return event_id
