"""Replies to Idempotency-Keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    op.create_table(
        "effects",
        sa.Column("scope", sa.LargeBinary(32), primary_key=True),
        sa.Column("method", sa.String(200), nullable=False),
        sa.Column("request", sa.LargeBinary(32), nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_effects_until", "effects", ["until"])
