"""Notices, the messages that carry them, and the attempts to hand these over."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.notifications.tables.base import Table

_WAITING = "state = 'waiting'"
_PRINT = "state = 'print'"
_OPEN = "state = 'open'"
_MOVED = "key_member_id IS NOT NULL"
_STARTED = "state = 'started'"


class Message(Table):
    """What is handed over at once: one notice, or those of a member that are folded into a digest.

    id          that of the message at the provider too
    kind        of the notice, or of the digest
    is_digest   at most one of a member a day
    day         of a digest: the day of the last attempt, in the member's zone; None before it
    state       "open", "sent", "delivered", "read", "failed", "print", "dropped" or "unknown"
    channel     of the last attempt, or the next one
    tries       attempts over that channel that were refused for now
    next_at     when it is tried again
    since       when it was first tried over that channel
    sealed      subject and text as they were handed over, under the member's key; None before, and when forgotten
    key_member_id  whose key sealed them, when that member was merged into member_id since; else None
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index(
            "messages_day",
            "member_id",
            "day",
            unique=True,
            sqlite_where="day IS NOT NULL",
            postgresql_where="day IS NOT NULL",
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
    """What a member is to hear, once.

    member_id    None after an erasure
    subject_key  what makes it one: kind, subject and step; a second fact of the same adds nothing
    loan_id      with item_id and title: None and "" after the loan was forgotten
    day          the day that a reminder is about, in order of which a digest lists
    facts        what its template needs besides: days, dates, ids of slips; no personal data
    due_at       the moment from which it may be sent
    state        waiting, sending, sent, delivered, read, failed, dropped, print, printed or unknown
    reason       why it is in that state
    message_id   of the message that carries it
    traceparent  of the fact, so that a trace leads from the act to the hand-over; "" without tracing
    """

    __tablename__ = "notices"
    __table_args__ = (
        Index("notices_subject", "subject_key", unique=True),
        Index("notices_waiting", "due_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
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
    """One hand-over of a message; its row is committed before it.

    state         "started", "accepted", "temporary", "permanent", "unknown", "delivered", "read" or "failed"
    address_hash  keyed hash of the address; the address itself is nowhere
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
