"""Members and the rows of each member, as in release 0.4.0."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber
from chassis.database.table_access import protect_rows
from chassis.migrations.columns import bytes_, day, flag, id_, index, json_, number, text, time

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
works_with = "0007"  # new tables only

PROTECTED = (
    "categories", "members", "cards", "member_words", "member_lookups", "evidence", "blocks", "consents", "merges",
    "tombstones", "member_loans", "data_requests", "expiry_steps",
)  # fmt: skip


def upgrade() -> None:
    _categories()
    _members()
    _finding()
    _rows_of_members()
    _loans_and_requests()
    for table in PROTECTED:
        protect_rows(op, table)


def _categories() -> None:
    op.create_table(
        "categories",
        id_("institution_id", key=True, of="institutions"),
        text("code", 32, key=True),
        number("position"),
        text("name_id"),
        text("name_en"),
        number("months"),
        text("kind", 16),
    )
    op.create_table(
        "number_series",
        id_("institution_id", key=True, of="institutions"),
        number("prefix"),
        number("next"),
        sa.UniqueConstraint("prefix"),
    )


def _members() -> None:
    op.create_table(
        "members",
        id_(key=True),
        id_("institution_id", of="institutions"),
        text("number", 64, nullable=True),
        number("version"),
        time("changed_at"),
        json_("changed_fields"),
        text("category", 32),
        text("name"),
        text("title_before"),
        text("title_after"),
        text("language", 2),
        text("birth_place"),
        number("birth_year"),
        text("sex", 8),
        text("kelurahan", 16),
        text("occupation"),
        text("education"),
        text("school"),
        text("group"),
        text("disability"),
        text("note"),
        id_("guardian_id", nullable=True),
        text("guardian_name"),
        text("guardian_relation", 16),
        text("responsible_name"),
        text("responsible_position"),
        time("registered_at"),
        day("expires_on", nullable=True),
        bytes_("wrapped_key"),
        bytes_("sealed"),
        number("open_loans"),
        number("open_fees"),
        id_("merged_into", nullable=True),
        time("erased_at", nullable=True),
        sa.UniqueConstraint("institution_id", "number"),
    )
    index("members_merged_into", "members", ["merged_into"])
    index("members_expires", "members", ["expires_on"])
    index("members_guardian", "members", ["guardian_id"])


def _finding() -> None:
    op.create_table(
        "cards",
        id_(key=True),
        id_("institution_id"),
        id_("member_id", of="members"),
        text("code", 64),
        text("kind", 16),
        text("state", 16),
        bytes_("qr"),
        time("issued_at"),
        time("ended_at", nullable=True),
        sa.UniqueConstraint("institution_id", "code"),
    )
    index("cards_member", "cards", ["member_id"])
    index("cards_qr", "cards", ["qr"])
    # Collation "C" compares words byte by byte, so that all words with a prefix are one range.
    collation = "C" if op.get_bind().dialect.name == "postgresql" else None
    op.create_table(
        "member_words",
        id_("institution_id", key=True),
        sa.Column("word", sa.String(32, collation=collation), primary_key=True, nullable=False),
        sa.Column("name_key", sa.String(24, collation=collation), primary_key=True, nullable=False),
        id_("member_id", key=True, of="members"),
        sa.Column("letters", BigNumber, nullable=False, server_default=sa.text("0")),
        sqlite_with_rowid=False,
    )
    index("member_words_member", "member_words", ["member_id"])
    op.create_table(
        "member_lookups",
        id_("institution_id", key=True),
        text("kind", 16, key=True),
        bytes_("hash", key=True),
        id_("member_id", key=True, of="members"),
        sqlite_with_rowid=False,
    )
    index("member_lookups_member", "member_lookups", ["member_id"])


def _rows_of_members() -> None:
    op.create_table(
        "evidence",
        id_(key=True),
        id_("institution_id"),
        id_("member_id", of="members"),
        text("kind", 32),
        text("seen_by", 128),
        time("at"),
    )
    op.create_table(
        "blocks",
        id_(key=True),
        id_("institution_id"),
        id_("member_id", of="members"),
        text("reason", 32),
        text("note"),
        text("by", 128),
        time("at"),
        day("ends_on", nullable=True),
        time("ended_at", nullable=True),
        text("ended_by", 128),
    )
    op.create_table(
        "consents",
        id_(key=True),
        id_("institution_id"),
        id_("member_id", of="members"),
        text("purpose", 32),
        text("text_version", 32),
        flag("given"),
        text("how", 16),
        flag("by_guardian"),
        text("by", 128),
        time("at"),
    )
    op.create_table(
        "merges",
        id_(key=True),
        id_("institution_id"),
        id_("kept_id", of="members"),
        id_("merged_id", of="members"),
        text("number", 64),
        json_("moved"),
        time("at"),
        text("by", 128),
        time("undone_at", nullable=True),
    )
    for table in ("evidence", "blocks", "consents"):
        index(f"{table}_member", table, ["member_id"])
    index("merges_kept", "merges", ["kept_id"])
    index("merges_merged", "merges", ["merged_id"])
    op.create_table("tombstones", id_("member_id", key=True), id_("institution_id"), number("version"), time("at"))


def _loans_and_requests() -> None:
    op.create_table(
        "member_loans",
        id_("loan_id", key=True),
        id_("institution_id"),
        id_("member_id", nullable=True),
        day("due_on", nullable=True),
        number("state_version"),
        time("copied_at"),
        time("returned_at", nullable=True),
    )
    index("member_loans_member", "member_loans", ["member_id", "due_on"])
    index("member_loans_returned", "member_loans", ["returned_at"])
    op.create_table(
        "data_requests",
        id_(key=True),
        id_("institution_id"),
        id_("member_id", of="members"),
        text("kind", 16),
        text("how", 16),
        flag("by_guardian"),
        bytes_("text"),
        time("received_at"),
        time("due_at"),
        text("recorded_by", 128),
        text("outcome", 16),
        bytes_("answer"),
        time("answered_at", nullable=True),
        text("answered_by", 128),
    )
    index("data_requests_member", "data_requests", ["member_id"])
    index("data_requests_open", "data_requests", ["institution_id", "outcome", "due_at"])
    op.create_table(
        "expiry_steps",
        id_("member_id", key=True),
        day("expires_on", key=True),
        number("step", key=True),
        id_("institution_id"),
    )
