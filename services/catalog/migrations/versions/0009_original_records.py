"""The original bytes of records that were repaired on import, for exports of records as received."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id
from chassis.database.table_access import protect_rows

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    op.create_table(
        "original_records",
        sa.Column("record_number", BigNumber, sa.ForeignKey("records.number"), primary_key=True, autoincrement=False),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
    )
    protect_rows(op, "original_records", public_read=True)
