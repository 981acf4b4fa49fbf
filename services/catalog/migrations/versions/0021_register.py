"""The accession register: branch and version of entries, their corrections, and numbers that are not given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id, UtcTime
from chassis.database.table_access import protect_rows

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
# Columns with defaults and tables that older code does not use.
works_with = "0001"


def upgrade() -> None:
    op.add_column("accessions", sa.Column("branch_id", Id, nullable=True))
    op.add_column("accessions", sa.Column("version", BigNumber, nullable=False, server_default="1"))
    op.execute("UPDATE accessions SET branch_id = (SELECT branch_id FROM items WHERE items.id = accessions.item_id)")
    op.create_table(
        "accession_corrections",
        sa.Column("item_id", Id, primary_key=True),
        sa.Column("version", BigNumber, primary_key=True, autoincrement=False),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("corrected_at", UtcTime, nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("changes", sa.String, nullable=False),
    )
    op.create_table(
        "accession_gaps",
        sa.Column("id", Id, primary_key=True),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("series", sa.String(8), nullable=False),
        sa.Column("first", BigNumber, nullable=False),
        sa.Column("last", BigNumber, nullable=False),
        sa.Column("first_number", sa.String(100), nullable=False),
        sa.Column("last_number", sa.String(100), nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("entered_on", sa.String(10), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
    )
    op.create_index("accession_gaps_by_day", "accession_gaps", ["institution_id", "entered_on", "id"])
    for table in ("accession_corrections", "accession_gaps"):
        protect_rows(op, table, public_read=True)
