"""The accession register, sequences of numbers, and items that cataloguers own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id, UtcTime
from chassis.database.table_access import protect_rows

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
# Columns with defaults and tables that older code does not use. An import of older code may change and remove items
# that cataloguers own; their accession numbers stay.
works_with = "0001"


def upgrade() -> None:
    for table in ("items", "gone_items"):
        op.add_column(table, sa.Column("is_own", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "accessions",
        sa.Column("item_id", Id, primary_key=True),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("record_number", BigNumber, nullable=False),
        sa.Column("number", sa.String(100), nullable=False),
        sa.Column("series", sa.String(8), nullable=False),
        sa.Column("sequence", BigNumber, nullable=False),
        sa.Column("entered_on", sa.String(10), nullable=False),
        sa.Column("acquired_on", sa.String(10), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("fund", sa.String, nullable=False),
        sa.Column("supplier", sa.String, nullable=False),
        sa.Column("document", sa.String, nullable=False),
        sa.Column("amount", BigNumber, nullable=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("asset_code", sa.String(64), nullable=False),
        sa.Column("removal", sa.String, nullable=False, server_default=""),
        sa.Column("removed_at", UtcTime, nullable=True),
        sa.UniqueConstraint("institution_id", "number"),
        sa.UniqueConstraint("institution_id", "series", "sequence"),
    )
    op.create_index("accessions_by_day", "accessions", ["institution_id", "entered_on", "series", "sequence"])
    op.create_table(
        "item_sequences",
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("last", BigNumber, nullable=False),
    )
    op.create_table(
        "accession_rules",
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("version", BigNumber, nullable=False),
        sa.Column("pattern", sa.String(64), nullable=False),
        sa.Column("changed_at", UtcTime, nullable=False),
    )
    for table in ("accessions", "item_sequences", "accession_rules"):
        protect_rows(op, table, public_read=True)
