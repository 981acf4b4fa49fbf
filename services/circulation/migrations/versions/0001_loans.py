"""Copies of institutions, items and members; loans, suspensions and counts."""

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
    "copies",
    "borrowers",
    "borrower_numbers",
    "loans",
    "suspensions",
    "daily_facts",
    "refusal_counts",
)
OPEN = "returned_at IS NULL"
TO_CLEAR = "borrower_id IS NOT NULL AND returned_at IS NOT NULL"
NOT_IN = "state <> 'in'"


def upgrade() -> None:
    _institutions()
    _copies()
    _borrowers()
    _loans()
    _counts()
    for table in PROTECTED:
        protect_rows(op, table)


def _id(name: str = "id", *, key: bool = False, of: str = "", nullable: bool = False) -> sa.Column[object]:
    references = [sa.ForeignKey(f"{of}.id")] if of else []
    return sa.Column(name, Id, *references, primary_key=key, nullable=nullable)


def _text(name: str, length: int | None = None, *, key: bool = False, unique: bool = False) -> sa.Column[str]:
    kind = sa.String(length) if length else sa.String()
    return sa.Column(name, kind, primary_key=key, nullable=False, unique=unique or None)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _day(name: str, *, key: bool = False, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Date, primary_key=key, nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, BigNumber, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON, nullable=False)


def _partial_index(name: str, table: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _institutions() -> None:
    op.create_table(
        "institutions",
        _id(key=True),
        _number("version"),
        _text("code", 32, unique=True),
        _text("name_id"),
        _text("name_en"),
        _text("kind", 32),
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


def _copies() -> None:
    op.create_table(
        "copies",
        _id(key=True),
        _id("institution_id"),
        _number("version"),
        _text("barcode", 64),
        _id("record_id", nullable=True),
        _text("title"),
        _text("call_number"),
        _text("enumeration"),
        _id("branch_id", nullable=True),
        _text("collection", 64),
        _text("room"),
        _text("status", 32),
        _text("ddc_class"),
        _text("language", 16),
        _text("audience", 32),
        _number("year"),
        _flag("is_gone"),
        _text("state", 16),
        _number("state_version"),
        _id("transit_to", nullable=True),
        _text("act", 16),
        _time("act_at", nullable=True),
        _id("act_branch_id", nullable=True),
        _id("act_loan_id", nullable=True),
    )
    op.create_index("copies_barcode", "copies", ["institution_id", "barcode"])
    _partial_index("copies_not_in", "copies", ["id"], NOT_IN)


def _borrowers() -> None:
    op.create_table(
        "borrowers",
        _id(key=True),
        _id("institution_id"),
        _number("version"),
        _text("card", 64),
        _text("category", 32),
        _day("expires_on", nullable=True),
        _json("blocks"),
        _text("age_band", 16),
        _text("sex", 8),
        _text("region", 16),
        _text("group"),
        _flag("is_organisation"),
        _flag("keeps_history"),
        _id("merged_into", nullable=True),
        _flag("is_erased"),
        _number("lending_version"),
    )
    op.create_index("borrowers_group", "borrowers", ["institution_id", "group"])
    op.create_table(
        "borrower_numbers",
        _id("institution_id", key=True),
        _text("number", 64, key=True),
        _id("borrower_id", key=True),
    )
    op.create_index("borrower_numbers_borrower", "borrower_numbers", ["borrower_id"])


def _loans() -> None:
    op.create_table(
        "loans",
        _id(key=True),
        _id("institution_id"),
        _number("version"),
        _id("copy_id", of="copies"),
        _id("borrower_id", nullable=True),
        _id("branch_id"),
        _time("lent_at"),
        _time("due_at"),
        _day("due_on"),
        _text("unit", 8),
        _number("renewals"),
        _number("policy_version"),
        _json("policy_row"),
        _json("days"),
        _time("returned_at", nullable=True),
        _id("returned_branch_id", nullable=True),
    )
    _partial_index("loans_open_copy", "loans", ["copy_id"], OPEN, unique=True)
    op.create_index("loans_copy", "loans", ["copy_id"])
    op.create_index("loans_borrower", "loans", ["borrower_id", "returned_at"])
    _partial_index("loans_due", "loans", ["institution_id", "due_at", "id"], OPEN)
    _partial_index("loans_to_clear", "loans", ["returned_at"], TO_CLEAR)
    op.create_table(
        "suspensions",
        _id(key=True),
        _id("institution_id"),
        _id("borrower_id"),
        _id("loan_id", nullable=True),
        _day("returned_on"),
        _day("begins_on"),
        _day("ends_on"),
        _number("days"),
        _time("ended_at", nullable=True),
    )
    op.create_index("suspensions_borrower", "suspensions", ["borrower_id", "ends_on"])


def _counts() -> None:
    op.create_table(
        "daily_facts",
        _id(key=True),
        _id("institution_id"),
        _day("date"),
        _text("kind", 16),
        _text("branch", 64),
        _text("collection", 64),
        _text("ddc_class"),
        _text("language", 16),
        _text("audience", 32),
        _text("category", 32),
        _text("age_band", 16),
        _text("sex", 8),
        _text("region", 16),
        _text("channel", 16),
    )
    op.create_index("daily_facts_date", "daily_facts", ["institution_id", "date"])
    op.create_table(
        "refusal_counts",
        _id("institution_id", key=True),
        _day("date", key=True),
        _text("branch", 64, key=True),
        _text("reason", 64, key=True),
        _number("count"),
    )
