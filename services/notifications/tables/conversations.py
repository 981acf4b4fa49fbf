"""Messages that people write to the library, and their conversations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.notifications.tables.base import Table

_PENDING = text("sealed IS NOT NULL")


class InboundMessage(Table):
    """A message from the provider's callback. Its institution is not known until it is processed.

    provider_id     the provider's id of the message, so that a repeated callback adds nothing
    sealed          number and text, sealed under the master key; None when the message is processed
    sent_at         time by the provider's clock
    sender_hash     keyed hash of the number of the person
    asked_at        since when the message waits until its sender names an institution; None when it does not wait
    institution_id  the institution that the sender named; None without an answer
    """

    __tablename__ = "inbound_messages"
    __table_args__ = (Index("inbound_pending", "sent_at", sqlite_where=_PENDING, postgresql_where=_PENDING),)
    provider_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    sent_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(index=True)
    sender_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True)
    asked_at: Mapped[datetime | None]
    institution_id: Mapped[UUID | None]


class Conversation(Table):
    """The messages of one number with one institution.

    member_id     None when the number belongs to no member or to several
    address_hash  keyed hash of the number
    wrapped_key   key of number and texts, wrapped by the master key
    state         "open" or "done"
    last_at       time of the person's last message; free text may be sent for 24 hours after it
    handed_over_at  when the person last got the answer that staff will answer
    taken_by      staff account that handles it, since taken_at; None without one, and when it is done
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("institution_id", "channel", "address_hash"),
        Index("conversations_listed", "institution_id", "state", "last_at"),
        Index("conversations_member", "member_id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID | None]
    channel: Mapped[str] = mapped_column(String(16))
    address_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_address: Mapped[bytes] = mapped_column(LargeBinary)
    language: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    last_at: Mapped[datetime]
    handed_over_at: Mapped[datetime | None] = mapped_column("told_at")
    taken_by: Mapped[str | None] = mapped_column(String(128))
    taken_at: Mapped[datetime | None]
    made_at: Mapped[datetime]


class ConversationMessage(Table):
    """One of the latest ten messages of a conversation.

    state  inbound: "received" or "answered"; outbound: "waiting", "sending", "sent", "failed" or "unknown"
    """

    __tablename__ = "conversation_messages"
    __table_args__ = (Index("conversation_messages_order", "conversation_id", "id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"))
    is_inbound: Mapped[bool]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16), index=True)
    at: Mapped[datetime]
