"""The inbox: each handler remembers which facts it has seen, in the transaction of their effect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import Message
from sqlalchemy import Column, String, Table, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus import Event
from chassis.context import Context, system
from chassis.db import Database, Id, UtcTime, chassis_tables
from chassis.errors import Invalid, LocalText
from chassis.ids import earliest_id
from chassis.service import Consumer
from chassis.urls import resolve

KEPT = timedelta(days=30)

inbox = Table(
    "inbox",
    chassis_tables,
    Column("consumer", String(64), primary_key=True),
    Column("event_id", Id, primary_key=True),
    Column("at", UtcTime, nullable=False),
)


def first_time(session: Session, consumer: str, event_id: UUID) -> bool:
    """Whether this consumer sees the fact for the first time; remembered when the caller's transaction commits.

    A second delivery meanwhile waits for that commit and then answers False.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = insert(inbox).values(consumer=consumer, event_id=event_id, at=clock.now()).on_conflict_do_nothing()
    # What it returns, not rowcount: drivers count inserts differently.
    return session.execute(row.returning(inbox.c.event_id)).first() is not None


def handle(
    database: Database, consumer: Consumer, event: Event, *, claim: Callable[[Session], bool] | None = None
) -> bool:
    """Run a handler on a fact: its effect and its inbox row are one transaction.

    claim    called first inside the transaction; when it answers False nothing is done
    returns  whether the handler ran; not when it had seen the fact before
    raises   Invalid  EVENT_UNREADABLE, and whatever the handler raises
    """
    message = read_body(consumer, event)
    handler = resolve(consumer.handler)
    context = Context(institution=event.institution, actor=event.actor, request_id=str(event.id))
    with database.transaction(system(f"handler:{consumer.name}")) as session:
        if claim is not None and not claim(session):
            return False
        if not first_time(session, consumer.name, event.id):
            return False
        handler(session, message, context)
    return True


def read_body(consumer: Consumer, event: Event) -> Message:
    """The fact as its message; fields this release does not know are passed over. Raises Invalid EVENT_UNREADABLE."""
    try:
        return Parse(event.body, consumer.event(), ignore_unknown_fields=True)
    except (ParseError, RecursionError) as problem:
        raise Invalid(
            "EVENT_UNREADABLE",
            LocalText("Isi peristiwa {type} tidak terbaca: {why}", "The body of this {type} cannot be read: {why}"),
            type=event.type,
            why=str(problem)[:200],
        ) from problem


def purge(session: Session) -> int:
    """Forget facts older than 30 days; returns how many. The bus delivers none that old."""
    gone = session.execute(delete(inbox).where(inbox.c.event_id < earliest_id(clock.now() - KEPT)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def create_inbox(op: Any) -> None:
    """Table of the inbox as of its first form; for a service's first revision."""
    import sqlalchemy as sa

    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(64), primary_key=True),
        sa.Column("event_id", Id, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
