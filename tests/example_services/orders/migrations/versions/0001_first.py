"""The first tables of orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "placed_orders",
        sa.Column("number", BigNumber, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("institution", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
    )
    op.create_table("faults", sa.Column("name", sa.String(64), primary_key=True))
