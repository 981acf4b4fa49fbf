"""Lending rules, and calendars of branches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
works_with = "0001"  # new tables only


def upgrade() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("version", BigNumber, primary_key=True, autoincrement=False),
        sa.Column("default_category", sa.String(32), nullable=False),
        sa.Column("rows", sa.Text, nullable=False),
        sa.Column("saved_by", sa.String(128), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "branch_calendars",
        sa.Column("branch_id", Id, sa.ForeignKey("branches.id"), primary_key=True),
        sa.Column("institution_id", Id, nullable=False),
        sa.Column("version", BigNumber, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("saved_by", sa.String(128), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
    )
    for table in ("policy_versions", "branch_calendars"):
        protect_rows(op, table)
