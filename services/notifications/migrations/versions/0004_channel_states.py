"""The state of each channel as the sender measures it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_table(
        "channel_states",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("circuit", sa.String(16), nullable=False),
        sa.Column("failures", BigNumber, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
