"""Sessions of shared computers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
works_with = "0001"  # a column with a default


def upgrade() -> None:
    op.add_column("sessions", sa.Column("is_shared", sa.Boolean, nullable=False, server_default=sa.false()))
