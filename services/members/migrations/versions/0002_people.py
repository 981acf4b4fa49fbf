"""Members, their categories, cards, words, keyed hashes, evidence, blocks, consents, merges and tombstones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
works_with = "0001"

PROTECTED = (
    "categories", "members", "cards", "member_words", "member_lookups", "evidence", "blocks", "consents", "merges",
    "tombstones",
)  # fmt: skip


def upgrade() -> None:
    _categories()
    _members()
    _finding()
    _rows_of_members()
    for table in PROTECTED:
        protect_rows(op, table)


def _id(name: str = "id", *, key: bool = False, of: str = "", nullable: bool = False) -> sa.Column[object]:
    references = [sa.ForeignKey(f"{of}.id")] if of else []
    return sa.Column(name, Id, *references, primary_key=key, nullable=nullable)


def _text(name: str, length: int | None = None, *, key: bool = False, nullable: bool = False) -> sa.Column[str]:
    kind = sa.String(length) if length else sa.String()
    return sa.Column(name, kind, primary_key=key, nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _day(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Date, nullable=True)


def _bytes(name: str, *, key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, primary_key=key, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, BigNumber, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON, nullable=False)


def _categories() -> None:
    op.create_table(
        "categories",
        _id("institution_id", key=True, of="institutions"),
        _text("code", 32, key=True),
        _number("position"),
        _text("name_id"),
        _text("name_en"),
        _number("months"),
        _text("kind", 16),
    )
    op.create_table(
        "number_series",
        _id("institution_id", key=True, of="institutions"),
        _number("prefix"),
        _number("next"),
        sa.UniqueConstraint("prefix"),
    )


def _members() -> None:
    op.create_table(
        "members",
        _id(key=True),
        _id("institution_id", of="institutions"),
        _text("number", 64, nullable=True),
        _number("version"),
        _time("changed_at"),
        _json("changed_fields"),
        _text("category", 32),
        _text("name"),
        _text("title_before"),
        _text("title_after"),
        _text("language", 2),
        _text("birth_place"),
        _number("birth_year"),
        _text("sex", 8),
        _text("kelurahan", 16),
        _text("occupation"),
        _text("education"),
        _text("school"),
        _text("group"),
        _text("disability"),
        _text("note"),
        _id("guardian_id", nullable=True),
        _text("guardian_name"),
        _text("guardian_relation", 16),
        _text("responsible_name"),
        _text("responsible_position"),
        _time("registered_at"),
        _day("expires_on"),
        _bytes("wrapped_key"),
        _bytes("sealed"),
        _number("open_loans"),
        _number("open_fees"),
        _id("merged_into", nullable=True),
        _time("erased_at", nullable=True),
        sa.UniqueConstraint("institution_id", "number"),
    )
    op.create_index("members_merged_into", "members", ["merged_into"])
    op.create_index("members_guardian", "members", ["guardian_id"])


def _finding() -> None:
    op.create_table(
        "cards",
        _id(key=True),
        _id("institution_id"),
        _id("member_id", of="members"),
        _text("code", 64),
        _text("kind", 16),
        _text("state", 16),
        _bytes("qr"),
        _time("issued_at"),
        _time("ended_at", nullable=True),
        sa.UniqueConstraint("institution_id", "code"),
    )
    op.create_index("cards_member", "cards", ["member_id"])
    op.create_index("cards_qr", "cards", ["qr"])
    # Collation "C" compares words byte by byte, so that all words with a prefix are one range.
    collation = "C" if op.get_bind().dialect.name == "postgresql" else None
    op.create_table(
        "member_words",
        _id("institution_id", key=True),
        sa.Column("word", sa.String(32, collation=collation), primary_key=True, nullable=False),
        sa.Column("name_key", sa.String(24, collation=collation), primary_key=True, nullable=False),
        _id("member_id", key=True, of="members"),
        sqlite_with_rowid=False,
    )
    op.create_index("member_words_member", "member_words", ["member_id"])
    op.create_table(
        "member_lookups",
        _id("institution_id", key=True),
        _text("kind", 16, key=True),
        _bytes("hash", key=True),
        _id("member_id", key=True, of="members"),
        sqlite_with_rowid=False,
    )
    op.create_index("member_lookups_member", "member_lookups", ["member_id"])


def _rows_of_members() -> None:
    op.create_table(
        "evidence",
        _id(key=True),
        _id("institution_id"),
        _id("member_id", of="members"),
        _text("kind", 32),
        _text("seen_by", 128),
        _time("at"),
    )
    op.create_table(
        "blocks",
        _id(key=True),
        _id("institution_id"),
        _id("member_id", of="members"),
        _text("reason", 32),
        _text("note"),
        _text("by", 128),
        _time("at"),
        _day("ends_on"),
        _time("ended_at", nullable=True),
        _text("ended_by", 128),
    )
    op.create_table(
        "consents",
        _id(key=True),
        _id("institution_id"),
        _id("member_id", of="members"),
        _text("purpose", 32),
        _text("text_version", 32),
        _flag("given"),
        _text("how", 16),
        _flag("by_guardian"),
        _text("by", 128),
        _time("at"),
    )
    op.create_table(
        "merges",
        _id(key=True),
        _id("institution_id"),
        _id("kept_id", of="members"),
        _id("merged_id", of="members"),
        _text("number", 64),
        _json("moved"),
        _time("at"),
        _text("by", 128),
        _time("undone_at", nullable=True),
    )
    for table in ("evidence", "blocks", "consents"):
        op.create_index(f"{table}_member", table, ["member_id"])
    op.create_index("merges_kept", "merges", ["kept_id"])
    op.create_index("merges_merged", "merges", ["merged_id"])
    op.create_table("tombstones", _id("member_id", key=True), _id("institution_id"), _number("version"), _time("at"))
