"""For each history of revisions: the oldest revision whose code works with the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    op.create_table(
        "schema_support",
        sa.Column("history", sa.String(64), primary_key=True),
        sa.Column("revision", sa.String(32), nullable=False),
        sa.Column("oldest", sa.String(32), nullable=False),
    )
