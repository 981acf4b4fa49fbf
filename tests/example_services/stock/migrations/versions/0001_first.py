"""The first tables of stock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("articles", sa.Column("id", Id, primary_key=True), sa.Column("name", sa.String(64), nullable=False))
    op.create_table(
        "reservations",
        sa.Column("number", BigNumber, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
    )
