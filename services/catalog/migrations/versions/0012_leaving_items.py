"""Items on loan that their record no longer has: they are deleted when they are returned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
works_with = "0001"  # a column with a default, which older code neither reads nor writes


def upgrade() -> None:
    op.add_column("items", sa.Column("is_leaving", sa.Boolean, nullable=False, server_default=sa.false()))
