"""The member of staff who handles a conversation, and the webhooks that staff made for their institution."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("taken_by", sa.String(128), nullable=True))
    op.add_column("conversations", sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("webhooks", sa.Column("made_by_staff", sa.Boolean, nullable=True))
