"""The epoch of change numbers, which a restore renews."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import Id

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
works_with = "0001"  # a column that older code does not use


def upgrade() -> None:
    op.add_column("installation", sa.Column("epoch", Id))
