"""Descriptions of institutions and branches, edits of staff, and the progress of writing new names into records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    for table, version in (("institutions", "own_version"), ("branches", "version")):
        op.add_column(table, sa.Column("details", sa.Text, nullable=False, server_default="{}"))
        op.add_column(table, sa.Column("edits", sa.Text, nullable=False, server_default="{}"))
        op.add_column(table, sa.Column(version, BigNumber, nullable=False, server_default="1"))
        op.add_column(table, sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("institutions", sa.Column("renamed_to", BigNumber, nullable=True))
