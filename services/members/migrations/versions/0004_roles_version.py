"""The version of an account's roles; a request that changes roles names the version it has read."""

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
    op.add_column("accounts", sa.Column("roles_version", BigNumber, nullable=False, server_default="1"))
    op.add_column("accounts", sa.Column("roles_at", sa.DateTime(timezone=True), nullable=True))
