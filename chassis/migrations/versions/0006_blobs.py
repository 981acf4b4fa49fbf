"""Files of institutions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id
from chassis.database.table_access import protect_rows

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("institution_id", Id, primary_key=True),
        sa.Column("width", BigNumber, primary_key=True, autoincrement=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("size", BigNumber, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
    )
    protect_rows(op, "blobs", public_read=True)
