"""For notices: ids of slips, and the reminder steps before the end of a membership that were emitted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
works_with = "0001"  # a nullable column, an index and a new table


def upgrade() -> None:
    op.add_column("slips", sa.Column("id", Id, nullable=True))
    op.create_index("members_expires", "members", ["expires_on"])
    op.create_table(
        "expiry_steps",
        sa.Column("member_id", Id, primary_key=True),
        sa.Column("expires_on", sa.Date, primary_key=True),
        sa.Column("step", BigNumber, primary_key=True, autoincrement=False),
        sa.Column("institution_id", Id, nullable=False),
    )
    protect_rows(op, "expiry_steps")
