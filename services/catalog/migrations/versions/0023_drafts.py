"""Drafts of records, and templates for new ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id, UtcTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
# Tables that older code does not use.
works_with = "0001"


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("account", sa.String(128), primary_key=True),
        sa.Column("place", sa.String(64), primary_key=True),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("saved_at", UtcTime, nullable=False),
    )
    op.create_index("drafts_by_time", "drafts", ["institution_id", "saved_at"])
    op.create_table(
        "record_templates",
        sa.Column("id", Id, primary_key=True),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("version", BigNumber, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("material", sa.String(32), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.UniqueConstraint("institution_id", "name"),
    )
