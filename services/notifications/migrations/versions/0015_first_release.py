"""All tables of release 0.4.0, the first with notices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import Id
from chassis.database.table_access import protect_rows
from chassis.migrations.columns import bytes_, day, flag, id_, index, json_, number, text, time

revision = "0015"
down_revision = None
branch_labels = None
depends_on = None
works_with = "0015"  # no release has earlier revisions

PROTECTED = (
    "branches",
    "sending_rules",
    "members",
    "loan_marks",
    "messages",
    "notices",
    "attempts",
    "preferences",
    "refused_addresses",
    "channel_days",
    "template_versions",
    "conversations",
    "conversation_messages",
    "webhooks",
    "webhook_facts",
    "push_devices",
    "staff_addresses",
)


def upgrade() -> None:
    _copies()
    _notices()
    _choices()
    _addresses()
    _settings()
    _conversations()
    _webhooks()
    for table in PROTECTED:
        protect_rows(op, table)


def _copies() -> None:
    op.create_table(
        "institutions",
        id_(key=True),
        number("version"),
        text("code", 32, unique=True),
        text("name_id"),
        text("name_en"),
        text("zone", 64),
    )
    op.create_table(
        "branches",
        id_(key=True),
        id_("institution_id", of="institutions"),
        text("code", 64),
        text("name_id"),
        text("name_en"),
        text("zone", 64),
        sa.UniqueConstraint("institution_id", "code"),
    )
    op.create_table(
        "sending_rules",
        id_("institution_id", key=True),
        number("version"),
        text("opens", 5),
        text("closes", 5),
        text("saved_by", 128),
        time("saved_at"),
    )
    op.create_table(
        "members",
        id_(key=True),
        id_("institution_id"),
        number("version"),
        flag("keeps_history"),
        id_("merged_into", nullable=True),
        flag("is_erased"),
        bytes_("wrapped_key", nullable=True),
        id_("moved_to", nullable=True),
    )
    op.create_table(
        "loan_marks",
        id_(key=True),
        id_("institution_id"),
        number("state_version"),
        day("due_on"),
        time("returned_at", nullable=True),
    )
    index("ix_loan_marks_returned_at", "loan_marks", ["returned_at"])


def _notices() -> None:
    op.create_table(
        "messages",
        id_(key=True),
        id_("institution_id"),
        id_("member_id", nullable=True),
        text("kind", 32),
        flag("is_digest"),
        day("day", nullable=True),
        text("language", 8),
        text("state", 16),
        text("reason", 64),
        text("channel", 16),
        number("tries"),
        time("next_at"),
        time("since"),
        bytes_("sealed", nullable=True),
        time("made_at"),
        id_("key_member_id", nullable=True),
    )
    index("messages_day", "messages", ["member_id", "day"], "day IS NOT NULL", unique=True)
    index("messages_open", "messages", ["next_at"], "state = 'open'")
    index("messages_member", "messages", ["member_id"])
    index("messages_made", "messages", ["made_at"])
    index("messages_key", "messages", ["key_member_id"], "key_member_id IS NOT NULL")
    op.create_table(
        "notices",
        id_(key=True),
        id_("institution_id"),
        id_("member_id", nullable=True),
        text("kind", 32),
        text("subject_key", 96),
        id_("loan_id", nullable=True),
        id_("item_id", nullable=True),
        id_("branch_id", nullable=True),
        text("title"),
        day("day", nullable=True),
        json_("facts"),
        time("due_at"),
        text("state", 16),
        text("reason", 64),
        id_("message_id", of="messages", nullable=True),
        text("traceparent", 64),
        time("made_at"),
        time("changed_at"),
    )
    index("notices_subject", "notices", ["subject_key"], unique=True)
    index("notices_waiting", "notices", ["due_at", "id"], "state = 'waiting'")
    index("notices_member", "notices", ["member_id", "id"])
    index("notices_loan", "notices", ["loan_id"])
    index("notices_message", "notices", ["message_id"])
    index("notices_institution", "notices", ["institution_id", "id"])
    index("notices_print", "notices", ["institution_id", "member_id"], "state = 'print'")
    index("notices_state", "notices", ["institution_id", "state", "id"])
    index("notices_kind", "notices", ["institution_id", "kind", "id"])
    index("notices_waiting_kind", "notices", ["kind", "due_at", "id"], "state = 'waiting'")
    op.create_table(
        "attempts",
        id_(key=True),
        id_("institution_id"),
        id_("message_id", of="messages"),
        text("channel", 16),
        text("provider_id", 128),
        bytes_("address_hash", 32),
        text("state", 16),
        text("reason", 64),
        time("started_at"),
        time("ended_at", nullable=True),
    )
    index("attempts_message", "attempts", ["message_id"])
    index("attempts_provider", "attempts", ["channel", "provider_id"])
    index("attempts_started", "attempts", ["started_at"], "state = 'started'")
    index("attempts_address", "attempts", ["address_hash", "started_at"])


def _choices() -> None:
    op.create_table(
        "preferences",
        id_("member_id", key=True),
        text("kind", 32, key=True),
        text("channel", 16, key=True),
        id_("institution_id"),
        flag("allowed"),
        time("changed_at"),
    )
    op.create_table(
        "refused_addresses",
        bytes_("address_hash", 32, key=True),
        id_("institution_id", key=True),
        id_("member_id"),
        text("channel", 16),
        text("reason", 64),
        time("at"),
    )
    index("refused_addresses_member", "refused_addresses", ["member_id"])
    op.create_table(
        "channel_days",
        id_("institution_id", key=True),
        text("channel", 16, key=True),
        day("day", key=True),
        text("state", 16, key=True),
        number("count"),
    )


def _addresses() -> None:
    op.create_table(
        "push_devices",
        id_(key=True),
        id_("institution_id"),
        id_("member_id"),
        bytes_("endpoint_hash", 32),
        bytes_("sealed"),
        text("name", 60),
        time("made_at"),
        sa.UniqueConstraint("institution_id", "endpoint_hash"),
    )
    index("push_devices_member", "push_devices", ["member_id", "made_at"])
    op.create_table(
        "staff_addresses",
        id_("institution_id", key=True),
        text("account", 128, key=True),
        text("kind", 8, key=True),
        bytes_("sealed"),
        sa.Column("tries", sa.BigInteger, nullable=False),
        flag("is_confirmed"),
        time("at"),
    )


def _settings() -> None:
    op.create_table(
        "template_versions",
        id_("institution_id", key=True),
        text("kind", 32, key=True),
        text("channel", 16, key=True),
        text("language", 8, key=True),
        number("version", key=True),
        text("subject"),
        text("body"),
        json_("provider"),
        text("saved_by", 128),
        time("saved_at"),
    )
    op.create_table(
        "channel_states",
        text("name", 16, key=True),
        text("circuit", 16),
        number("failures"),
        text("reason", 64),
        time("at"),
    )
    op.create_table("master_keys", text("fingerprint", 32, key=True), time("seen_at"))


def _conversations() -> None:
    op.create_table(
        "inbound_messages",
        text("provider_id", 200, key=True),
        text("channel", 16),
        bytes_("sealed", nullable=True),
        time("sent_at"),
        time("received_at"),
        bytes_("sender_hash", 32, nullable=True),
        time("asked_at", nullable=True),
        id_("institution_id", nullable=True),
    )
    index("inbound_pending", "inbound_messages", ["sent_at"], "sealed IS NOT NULL")
    index("ix_inbound_messages_received_at", "inbound_messages", ["received_at"])
    index("ix_inbound_messages_sender_hash", "inbound_messages", ["sender_hash"])
    op.create_table(
        "conversations",
        id_(key=True),
        id_("institution_id"),
        id_("member_id", nullable=True),
        text("channel", 16),
        bytes_("address_hash", 32),
        bytes_("wrapped_key"),
        bytes_("sealed_address"),
        text("language", 8),
        text("state", 16),
        time("last_at"),
        time("told_at", nullable=True),
        time("made_at"),
        text("taken_by", 128, nullable=True),
        time("taken_at", nullable=True),
        sa.UniqueConstraint("institution_id", "channel", "address_hash"),
    )
    index("conversations_listed", "conversations", ["institution_id", "state", "last_at"])
    index("conversations_member", "conversations", ["member_id"])
    op.create_table(
        "conversation_messages",
        id_(key=True),
        id_("institution_id"),
        id_("conversation_id", of="conversations"),
        flag("is_inbound"),
        bytes_("sealed"),
        text("state", 16),
        time("at"),
    )
    index("conversation_messages_order", "conversation_messages", ["conversation_id", "id"])
    index("ix_conversation_messages_state", "conversation_messages", ["state"])


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        id_(key=True),
        id_("institution_id"),
        text("client_id", 128),
        text("url", 1_000),
        json_("kinds"),
        flag("with_members"),
        bytes_("sealed_secret"),
        text("state", 16),
        text("reason", 64),
        number("failures"),
        time("failing_since", nullable=True),
        time("next_at"),
        time("last_delivered_at", nullable=True),
        time("made_at"),
        bytes_("sealed_contact", nullable=True),
        sa.Column("made_by_staff", sa.Boolean, nullable=True),
    )
    index("webhooks_institution", "webhooks", ["institution_id", "state"])
    op.create_table(
        "webhook_facts",
        id_(key=True),
        id_("institution_id"),
        sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        text("kind", 32),
        json_("facts"),
        id_("member_id", nullable=True),
        time("occurred_at"),
        time("made_at"),
        time("delivered_at", nullable=True),
    )
    index("webhook_facts_waiting", "webhook_facts", ["webhook_id", "id"], "delivered_at IS NULL")
    index("webhook_facts_made", "webhook_facts", ["made_at"])
    index("ix_webhook_facts_webhook_id", "webhook_facts", ["webhook_id"])
    index("ix_webhook_facts_member_id", "webhook_facts", ["member_id"])
