"""Loans of members, copied from circulation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_table(
        "member_loans",
        sa.Column("loan_id", Id, primary_key=True),
        sa.Column("institution_id", Id, nullable=False),
        sa.Column("member_id", Id, nullable=True),
        sa.Column("due_on", sa.Date, nullable=True),
        sa.Column("state_version", BigNumber, nullable=False),
        sa.Column("copied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index("member_loans_member", "member_loans", ["member_id", "due_on"])
    op.create_index("member_loans_returned", "member_loans", ["returned_at"])
    protect_rows(op, "member_loans")
