"""The fingerprint of the master key, because a text that is sealed under another key can never be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_table(
        "master_keys",
        sa.Column("fingerprint", sa.String(32), primary_key=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    )
