"""The first tables of the diary."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id
from chassis.database.table_access import protect_rows

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("number", BigNumber, primary_key=True, autoincrement=False),
        sa.Column("institution_id", Id, nullable=False),
        sa.Column("text", sa.String(64), nullable=False),
    )
    protect_rows(op, "notes")
    op.create_table("audit", sa.Column("number", BigNumber, primary_key=True, autoincrement=False))
    op.create_table("copies", sa.Column("text", sa.String(64), primary_key=True))
