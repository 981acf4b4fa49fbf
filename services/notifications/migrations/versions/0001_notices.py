"""Notices, messages and attempts; copies of institutions, members and loans; preferences, refused addresses, counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
works_with = "0001"

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
)


def upgrade() -> None:
    _copies()
    _notices()
    _choices()
    for table in PROTECTED:
        protect_rows(op, table)


def _id(name: str = "id", *, key: bool = False, of: str = "", nullable: bool = False) -> sa.Column[object]:
    references = [sa.ForeignKey(f"{of}.id")] if of else []
    return sa.Column(name, Id, *references, primary_key=key, nullable=nullable)


def _text(name: str, length: int | None = None, *, key: bool = False, unique: bool = False) -> sa.Column[str]:
    kind = sa.String(length) if length else sa.String()
    return sa.Column(name, kind, primary_key=key, nullable=False, unique=unique or None)


def _bytes(name: str, length: int | None = None, *, key: bool = False, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(length), primary_key=key, nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _day(name: str, *, key: bool = False, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Date, primary_key=key, nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, BigNumber, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _index(name: str, table: str, columns: list[str], where: str = "", *, unique: bool = False) -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _copies() -> None:
    op.create_table(
        "institutions",
        _id(key=True),
        _number("version"),
        _text("code", 32, unique=True),
        _text("name_id"),
        _text("name_en"),
        _text("zone", 64),
    )
    op.create_table(
        "branches",
        _id(key=True),
        _id("institution_id", of="institutions"),
        _text("code", 64),
        _text("name_id"),
        _text("name_en"),
        _text("zone", 64),
        sa.UniqueConstraint("institution_id", "code"),
    )
    op.create_table(
        "sending_rules",
        _id("institution_id", key=True),
        _number("version"),
        _text("opens", 5),
        _text("closes", 5),
        _text("saved_by", 128),
        _time("saved_at"),
    )
    op.create_table(
        "members",
        _id(key=True),
        _id("institution_id"),
        _number("version"),
        _flag("keeps_history"),
        _id("merged_into", nullable=True),
        _flag("is_erased"),
        _bytes("wrapped_key", nullable=True),
    )
    op.create_table(
        "loan_marks",
        _id(key=True),
        _id("institution_id"),
        _number("state_version"),
        _day("due_on"),
        _time("returned_at", nullable=True),
    )
    _index("ix_loan_marks_returned_at", "loan_marks", ["returned_at"])


def _notices() -> None:
    op.create_table(
        "messages",
        _id(key=True),
        _id("institution_id"),
        _id("member_id", nullable=True),
        _text("kind", 32),
        _flag("is_digest"),
        _day("day", nullable=True),
        _text("language", 8),
        _text("state", 16),
        _text("reason", 64),
        _text("channel", 16),
        _number("tries"),
        _time("next_at"),
        _time("since"),
        _bytes("sealed", nullable=True),
        _time("made_at"),
    )
    _index("messages_day", "messages", ["member_id", "day"], "day IS NOT NULL", unique=True)
    _index("messages_open", "messages", ["next_at"], "state = 'open'")
    _index("messages_member", "messages", ["member_id"])
    _index("messages_made", "messages", ["made_at"])
    op.create_table(
        "notices",
        _id(key=True),
        _id("institution_id"),
        _id("member_id", nullable=True),
        _text("kind", 32),
        _text("subject_key", 96),
        _id("loan_id", nullable=True),
        _id("item_id", nullable=True),
        _id("branch_id", nullable=True),
        _text("title"),
        _day("day", nullable=True),
        sa.Column("facts", sa.JSON, nullable=False),
        _time("due_at"),
        _text("state", 16),
        _text("reason", 64),
        _id("message_id", of="messages", nullable=True),
        _text("traceparent", 64),
        _time("made_at"),
        _time("changed_at"),
    )
    _index("notices_subject", "notices", ["subject_key"], unique=True)
    _index("notices_waiting", "notices", ["due_at", "id"], "state = 'waiting'")
    _index("notices_member", "notices", ["member_id", "id"])
    _index("notices_loan", "notices", ["loan_id"])
    _index("notices_message", "notices", ["message_id"])
    _index("notices_institution", "notices", ["institution_id", "id"])
    _index("notices_print", "notices", ["institution_id", "member_id"], "state = 'print'")
    op.create_table(
        "attempts",
        _id(key=True),
        _id("institution_id"),
        _id("message_id", of="messages"),
        _text("channel", 16),
        _text("provider_id", 128),
        _bytes("address_hash", 32),
        _text("state", 16),
        _text("reason", 64),
        _time("started_at"),
        _time("ended_at", nullable=True),
    )
    _index("attempts_message", "attempts", ["message_id"])
    _index("attempts_provider", "attempts", ["channel", "provider_id"])
    _index("attempts_started", "attempts", ["started_at"], "state = 'started'")


def _choices() -> None:
    op.create_table(
        "preferences",
        _id("member_id", key=True),
        _text("kind", 32, key=True),
        _text("channel", 16, key=True),
        _id("institution_id"),
        _flag("allowed"),
        _time("changed_at"),
    )
    op.create_table(
        "refused_addresses",
        _bytes("address_hash", 32, key=True),
        _id("institution_id", key=True),
        _id("member_id"),
        _text("channel", 16),
        _text("reason", 64),
        _time("at"),
    )
    op.create_table(
        "channel_days",
        _id("institution_id", key=True),
        _text("channel", 16, key=True),
        _day("day", key=True),
        _text("state", 16, key=True),
        _number("count"),
    )
