"""Numbers of the changes of records, for harvests and the change feed; a job numbers the records that exist."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
works_with = "0001"  # a table that older code does not use; its changes get their numbers from the job


def upgrade() -> None:
    op.create_table(
        "record_changes",
        sa.Column("record_number", BigNumber, sa.ForeignKey("records.number"), primary_key=True, autoincrement=False),
        sa.Column("change_number", BigNumber, nullable=False, unique=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", BigNumber, nullable=False),
        sa.Column("sets", sa.String, nullable=False),
    )
    op.create_index("record_changes_by_time", "record_changes", ["changed_at", "change_number"])
