"""Versions of items, deleted items, edits of items, states from circulation, and the version of index documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id
from chassis.database.table_access import protect_rows

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
works_with = "0002"

WALLED = ("gone_items", "item_overrides", "item_states", "lending_rules")


def upgrade() -> None:
    op.add_column("items", sa.Column("version", BigNumber, nullable=False, server_default="1"))
    op.add_column("items", sa.Column("told", BigNumber, nullable=True))
    op.add_column("items", sa.Column("wanted_barcode", sa.String(64), nullable=True))
    op.add_column("items", sa.Column("is_fast_add", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index(
        "items_by_wanted_barcode",
        "items",
        ["institution_id", "wanted_barcode"],
        sqlite_where=sa.text("wanted_barcode IS NOT NULL"),
        postgresql_where=sa.text("wanted_barcode IS NOT NULL"),
    )
    op.create_index(
        "items_added_at_desk",
        "items",
        ["institution_id", "id"],
        sqlite_where=sa.text("is_fast_add"),
        postgresql_where=sa.text("is_fast_add"),
    )
    op.add_column("records", sa.Column("index_changes", BigNumber, nullable=False, server_default="0"))
    op.create_table(
        "gone_items",
        sa.Column("id", Id, primary_key=True),
        _institution(),
        sa.Column("barcode", sa.String(64), nullable=True),
        sa.Column("version", BigNumber, nullable=False),
        sa.Column("copy", sa.LargeBinary, nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("gone_items_by_barcode", "gone_items", ["institution_id", "barcode"])
    op.create_table(
        "item_overrides",
        sa.Column("item_id", Id, primary_key=True),
        _institution(),
        sa.Column("source_barcode", sa.String(64), nullable=True),
        sa.Column("barcode", sa.String(64), nullable=True),
        sa.Column("status", sa.String(32), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("item_overrides_by_source_barcode", "item_overrides", ["institution_id", "source_barcode"])
    op.create_table(
        "item_states",
        sa.Column("item_id", Id, primary_key=True),
        sa.Column("institution_id", Id, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_version", BigNumber, nullable=False),
        sa.Column("due_on", sa.String(10), nullable=False),
    )
    op.create_table(
        "lending_rules",
        sa.Column("institution_id", Id, primary_key=True),
        sa.Column("version", BigNumber, nullable=False),
        sa.Column("rules", sa.LargeBinary, nullable=False),
        sa.Column("refreshed_to", BigNumber, nullable=True),
    )
    for table in WALLED:
        protect_rows(op, table, public_read=True)


def _institution() -> sa.Column[object]:
    return sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False)
