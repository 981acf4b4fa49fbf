"""The time when each record was queued for the index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    op.add_column("index_queue", sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True))
