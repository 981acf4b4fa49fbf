"""The version of an institution; other services compare their copies with this version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    op.add_column("institutions", sa.Column("version", BigNumber, nullable=False, server_default="1"))
