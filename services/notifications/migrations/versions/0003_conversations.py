"""Conversations with people who write to the library, and webhooks of partners."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
works_with = "0001"

PROTECTED = ("conversations", "conversation_messages", "webhooks", "webhook_facts")


def upgrade() -> None:
    _conversations()
    _webhooks()
    for table in PROTECTED:
        protect_rows(op, table)


def _id(name: str = "id", *, key: bool = False, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, Id, primary_key=key, nullable=nullable)


def _text(name: str, length: int, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=key, nullable=False)


def _bytes(name: str, length: int | None = None, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(length), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _index(name: str, table: str, columns: list[str], where: str = "") -> None:
    only = sa.text(where) if where else None
    op.create_index(name, table, columns, sqlite_where=only, postgresql_where=only)


def _conversations() -> None:
    op.create_table(
        "inbound_messages",
        _text("provider_id", 200, key=True),
        _text("channel", 16),
        _bytes("sealed", nullable=True),
        _time("sent_at"),
        _time("received_at"),
    )
    _index("inbound_pending", "inbound_messages", ["sent_at"], "sealed IS NOT NULL")
    _index("ix_inbound_messages_received_at", "inbound_messages", ["received_at"])
    op.create_table(
        "conversations",
        _id(key=True),
        _id("institution_id"),
        _id("member_id", nullable=True),
        _text("channel", 16),
        _bytes("address_hash", 32),
        _bytes("wrapped_key"),
        _bytes("sealed_address"),
        _text("language", 8),
        _text("state", 16),
        _time("last_at"),
        _time("told_at", nullable=True),
        _time("made_at"),
        sa.UniqueConstraint("institution_id", "channel", "address_hash"),
    )
    _index("conversations_listed", "conversations", ["institution_id", "state", "last_at"])
    _index("conversations_member", "conversations", ["member_id"])
    op.create_table(
        "conversation_messages",
        _id(key=True),
        _id("institution_id"),
        sa.Column("conversation_id", Id, sa.ForeignKey("conversations.id"), nullable=False),
        _flag("is_inbound"),
        _bytes("sealed"),
        _text("state", 16),
        _time("at"),
    )
    _index("conversation_messages_order", "conversation_messages", ["conversation_id", "id"])
    _index("ix_conversation_messages_state", "conversation_messages", ["state"])


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        _id(key=True),
        _id("institution_id"),
        _text("client_id", 128),
        _text("url", 1_000),
        sa.Column("kinds", sa.JSON, nullable=False),
        _flag("with_members"),
        _bytes("sealed_secret"),
        _text("state", 16),
        _text("reason", 64),
        sa.Column("failures", BigNumber, nullable=False),
        _time("failing_since", nullable=True),
        _time("next_at"),
        _time("last_delivered_at", nullable=True),
        _time("made_at"),
    )
    _index("webhooks_institution", "webhooks", ["institution_id", "state"])
    op.create_table(
        "webhook_facts",
        _id(key=True),
        _id("institution_id"),
        sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        _text("kind", 32),
        sa.Column("facts", sa.JSON, nullable=False),
        _id("member_id", nullable=True),
        _time("occurred_at"),
        _time("made_at"),
        _time("delivered_at", nullable=True),
    )
    _index("webhook_facts_waiting", "webhook_facts", ["webhook_id", "id"], "delivered_at IS NULL")
    _index("webhook_facts_made", "webhook_facts", ["made_at"])
    _index("ix_webhook_facts_webhook_id", "webhook_facts", ["webhook_id"])
    _index("ix_webhook_facts_member_id", "webhook_facts", ["member_id"])
