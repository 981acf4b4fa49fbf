"""Records that libraries edit here, with the versions of their content, and who owns the records of a source."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id, UtcTime
from chassis.database.table_access import protect_rows

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
# Columns with defaults and a table that older code does not use. An import of older code replaces edited records, and
# their versions are lost: those are computed from the content that the record had.
works_with = "0001"


def upgrade() -> None:
    op.add_column("sources", sa.Column("owner", sa.String(16), nullable=False, server_default="import"))
    op.add_column("records", sa.Column("marc_version", BigNumber, nullable=False, server_default="0"))
    op.create_table(
        "edited_records",
        sa.Column("record_number", BigNumber, sa.ForeignKey("records.number"), primary_key=True, autoincrement=False),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("imported", sa.LargeBinary(32), nullable=False),
        sa.Column("history", sa.LargeBinary, nullable=False),
        sa.Column("offer_id", Id, nullable=True),
        sa.Column("offer", sa.LargeBinary, nullable=True),
        sa.Column("offered_at", UtcTime, nullable=True),
    )
    has_offer = sa.text("offer_id IS NOT NULL")
    op.create_index(
        "records_with_offers", "edited_records", ["institution_id", "offer_id"],
        sqlite_where=has_offer, postgresql_where=has_offer,
    )  # fmt: skip
    protect_rows(op, "edited_records", public_read=True)
