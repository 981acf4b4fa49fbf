"""Notices, the messages that contain them, and the attempts to hand messages over."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from services.notifications.tables.base import Table

_WAITING = text("state = 'waiting'")
_PRINT = text("state = 'print'")
_OPEN = text("state = 'open'")
_MOVED = text("key_member_id IS NOT NULL")
_STARTED = text("state = 'started'")


class Message(Table):
    """A message to a provider: one notice, or the notices of a member in one digest.

    id             also the id of the message at the provider
    kind           kind of the notice, or of the digest
    is_digest      a member gets at most one digest a day
    day            only for a digest: the day of the last attempt in the zone of the notices; None before the first one
    state          "open", "sent", "delivered", "read", "failed", "print", "dropped" or "unknown"
    channel        channel of the last or next attempt
    tries          attempts over this channel with the outcome "temporary"
    next_at        time of the next attempt
    since          time of the first attempt over this channel
    sealed         subject and text that were handed over, under the member's key; None before that, and after removal
    key_member_id  the member under whose key the text is sealed, if that member was merged into member_id; else None
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index(
            "messages_day",
            "member_id",
            "day",
            unique=True,
            sqlite_where=text("day IS NOT NULL"),
            postgresql_where=text("day IS NOT NULL"),
        ),
        Index("messages_open", "next_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("messages_member", "member_id"),
        Index("messages_made", "made_at"),
        Index("messages_key", "key_member_id", sqlite_where=_MOVED, postgresql_where=_MOVED),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(String(32))
    is_digest: Mapped[bool]
    day: Mapped[date | None]
    language: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
    channel: Mapped[str] = mapped_column(String(16))
    tries: Mapped[int]
    next_at: Mapped[datetime]
    since: Mapped[datetime]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    key_member_id: Mapped[UUID | None]
    made_at: Mapped[datetime]


class Notice(Table):
    """A message of the library to a member, made once for each subject.

    member_id    None after an erasure
    subject_key  kind, subject and step; unique, so that a second event for the same notice adds nothing
    loan_id      None after the loan was removed from the notice, together with item_id and title
    day          the day that a reminder is about; a digest lists its notices in this order
    facts        other values for the template: days, dates, ids of password codes; no personal data
    due_at       the earliest moment of sending
    state        waiting, sending, sent, delivered, read, failed, dropped, print, printed or unknown
    reason       reason of the state
    message_id   the message that contains the notice
    traceparent  trace context of the event, so that one trace covers act and sending; "" without tracing
    """

    __tablename__ = "notices"
    __table_args__ = (
        Index("notices_subject", "subject_key", unique=True),
        Index("notices_waiting", "due_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("notices_waiting_kind", "kind", "due_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("notices_member", "member_id", "id"),
        Index("notices_loan", "loan_id"),
        Index("notices_message", "message_id"),
        Index("notices_institution", "institution_id", "id"),
        Index("notices_state", "institution_id", "state", "id"),
        Index("notices_kind", "institution_id", "kind", "id"),
        Index("notices_print", "institution_id", "member_id", sqlite_where=_PRINT, postgresql_where=_PRINT),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(String(32))
    subject_key: Mapped[str] = mapped_column(String(96))
    loan_id: Mapped[UUID | None]
    item_id: Mapped[UUID | None]
    branch_id: Mapped[UUID | None]
    title: Mapped[str]
    day: Mapped[date | None]
    facts: Mapped[dict[str, Any]]
    due_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id"))
    traceparent: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class Attempt(Table):
    """One attempt to hand a message over. The row is committed before the attempt.

    state         "started", "accepted", "temporary", "permanent", "unknown", "delivered", "read" or "failed"
    address_hash  keyed hash of the address; the address itself is not stored
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("attempts_message", "message_id"),
        Index("attempts_provider", "channel", "provider_id"),
        Index("attempts_address", "address_hash", "started_at"),
        Index("attempts_started", "started_at", sqlite_where=_STARTED, postgresql_where=_STARTED),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id"))
    channel: Mapped[str] = mapped_column(String(16))
    provider_id: Mapped[str] = mapped_column(String(128))
    address_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
