"""All tables of release 0.4.0, the first with lending."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.table_access import protect_rows
from chassis.migrations.columns import day, flag, id_, index, json_, number, text, time

revision = "0005"
down_revision = None
branch_labels = None
depends_on = None
works_with = "0005"  # no release has earlier revisions

PROTECTED = (
    "branches",
    "copies",
    "borrowers",
    "borrower_numbers",
    "loans",
    "suspensions",
    "daily_facts",
    "refusal_counts",
    "policy_versions",
    "branch_calendars",
    "branch_days",
    "reminder_nights",
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
    _rules()
    for table in PROTECTED:
        protect_rows(op, table)


def _institutions() -> None:
    op.create_table(
        "institutions",
        id_(key=True),
        number("version"),
        text("code", 32, unique=True),
        text("name_id"),
        text("name_en"),
        text("kind", 32),
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


def _copies() -> None:
    op.create_table(
        "copies",
        id_(key=True),
        id_("institution_id"),
        number("version"),
        text("barcode", 64),
        id_("record_id", nullable=True),
        text("title"),
        text("call_number"),
        text("enumeration"),
        id_("branch_id", nullable=True),
        text("collection", 64),
        text("room"),
        text("status", 32),
        text("ddc_class"),
        text("language", 16),
        text("audience", 32),
        number("year"),
        flag("is_gone"),
        text("state", 16),
        number("state_version"),
        id_("transit_to", nullable=True),
        text("act", 16),
        time("act_at", nullable=True),
        id_("act_branch_id", nullable=True),
        id_("act_loan_id", nullable=True),
    )
    index("copies_barcode", "copies", ["institution_id", "barcode"])
    index("copies_not_in", "copies", ["id"], NOT_IN)


def _borrowers() -> None:
    op.create_table(
        "borrowers",
        id_(key=True),
        id_("institution_id"),
        number("version"),
        text("card", 64),
        text("category", 32),
        day("expires_on", nullable=True),
        json_("blocks"),
        text("age_band", 16),
        text("sex", 8),
        text("region", 16),
        text("group"),
        flag("is_organisation"),
        flag("keeps_history"),
        id_("merged_into", nullable=True),
        flag("is_erased"),
        number("lending_version"),
    )
    index("borrowers_group", "borrowers", ["institution_id", "group"])
    op.create_table(
        "borrower_numbers",
        id_("institution_id", key=True),
        text("number", 64, key=True),
        id_("borrower_id", key=True),
    )
    index("borrower_numbers_borrower", "borrower_numbers", ["borrower_id"])


def _loans() -> None:
    op.create_table(
        "loans",
        id_(key=True),
        id_("institution_id"),
        number("version"),
        id_("copy_id", of="copies"),
        id_("borrower_id", nullable=True),
        id_("branch_id"),
        time("lent_at"),
        time("due_at"),
        day("due_on"),
        text("unit", 8),
        number("renewals"),
        number("policy_version"),
        json_("policy_row"),
        json_("days"),
        time("returned_at", nullable=True),
        id_("returned_branch_id", nullable=True),
    )
    index("loans_open_copy", "loans", ["copy_id"], OPEN, unique=True)
    index("loans_copy", "loans", ["copy_id"])
    index("loans_borrower", "loans", ["borrower_id", "returned_at"])
    index("loans_due", "loans", ["institution_id", "due_at", "id"], OPEN)
    index("loans_to_clear", "loans", ["returned_at"], TO_CLEAR)
    op.create_table(
        "suspensions",
        id_(key=True),
        id_("institution_id"),
        id_("borrower_id"),
        id_("loan_id", nullable=True),
        day("returned_on"),
        day("begins_on"),
        day("ends_on"),
        number("days"),
        time("ended_at", nullable=True),
    )
    index("suspensions_borrower", "suspensions", ["borrower_id", "ends_on"])


def _counts() -> None:
    op.create_table(
        "daily_facts",
        id_(key=True),
        id_("institution_id"),
        day("date"),
        text("kind", 16),
        text("branch", 64),
        text("collection", 64),
        text("ddc_class"),
        text("language", 16),
        text("audience", 32),
        text("category", 32),
        text("age_band", 16),
        text("sex", 8),
        text("region", 16),
        text("channel", 16),
    )
    index("daily_facts_date", "daily_facts", ["institution_id", "date"])
    op.create_table(
        "refusal_counts",
        id_("institution_id", key=True),
        day("date", key=True),
        text("branch", 64, key=True),
        text("reason", 64, key=True),
        number("count"),
    )


def _rules() -> None:
    op.create_table(
        "policy_versions",
        id_("institution_id", key=True, of="institutions"),
        number("version", key=True),
        text("default_category", 32),
        sa.Column("rows", sa.Text, nullable=False),
        text("saved_by", 128),
        time("saved_at"),
    )
    op.create_table(
        "branch_calendars",
        id_("branch_id", key=True, of="branches"),
        id_("institution_id"),
        number("version"),
        sa.Column("document", sa.Text, nullable=False),
        text("saved_by", 128),
        time("saved_at"),
        sa.Column("weeks", sa.Text, nullable=True),
    )
    op.create_table(
        "branch_days",
        id_("branch_id", key=True, of="branches"),
        day("date", key=True),
        id_("institution_id"),
        number("planned_minutes"),
        number("open_minutes"),
    )
    op.create_table(
        "reminder_nights",
        id_("institution_id", key=True, of="institutions"),
        text("zone", 64, key=True),
        day("night"),
        day("done_on"),
        json_("position"),
        json_("parts"),
        number("version"),
    )
