"""Templates that institutions have saved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber, Id
from chassis.table_access import protect_rows

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_table(
        "template_versions",
        sa.Column("institution_id", Id, primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("language", sa.String(8), primary_key=True),
        sa.Column("version", BigNumber, primary_key=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("provider", sa.JSON(), nullable=False),
        sa.Column("saved_by", sa.String(128), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
    )
    protect_rows(op, "template_versions")
