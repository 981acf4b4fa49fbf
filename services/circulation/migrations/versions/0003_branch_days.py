"""The minutes that branches were open on each day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
works_with = "0001"  # a new table only


def upgrade() -> None:
    op.create_table(
        "branch_days",
        sa.Column("branch_id", Id, sa.ForeignKey("branches.id"), primary_key=True),
        sa.Column("date", sa.Date, primary_key=True),
        sa.Column("institution_id", Id, nullable=False),
        sa.Column("planned_minutes", BigNumber, nullable=False),
        sa.Column("open_minutes", BigNumber, nullable=False),
    )
    protect_rows(op, "branch_days")
