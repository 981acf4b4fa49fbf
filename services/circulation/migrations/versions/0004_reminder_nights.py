"""The progress of each night's reminders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
works_with = "0001"  # a new table only


def upgrade() -> None:
    op.create_table(
        "reminder_nights",
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("zone", sa.String(64), primary_key=True),
        sa.Column("night", sa.Date, nullable=False),
        sa.Column("done_on", sa.Date, nullable=False),
        sa.Column("position", sa.JSON, nullable=False),
        sa.Column("parts", sa.JSON, nullable=False),
        sa.Column("version", BigNumber, nullable=False),
    )
    protect_rows(op, "reminder_nights")
