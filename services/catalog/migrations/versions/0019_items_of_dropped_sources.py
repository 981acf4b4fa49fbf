"""The columns of items whose record was deleted: with them they come back as they were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
# A column that older code leaves empty.
works_with = "0001"


def upgrade() -> None:
    op.add_column("gone_items", sa.Column("item", sa.LargeBinary, nullable=True))
