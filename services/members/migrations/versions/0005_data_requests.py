"""Requests of members about their own data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import Id
from chassis.table_access import protect_rows

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_table(
        "data_requests",
        sa.Column("id", Id, primary_key=True),
        sa.Column("institution_id", Id, nullable=False),
        sa.Column("member_id", Id, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("by_guardian", sa.Boolean, nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(128), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.String(128), nullable=False),
    )
    op.create_index("data_requests_member", "data_requests", ["member_id"])
    op.create_index("data_requests_open", "data_requests", ["institution_id", "outcome", "due_at"])
    protect_rows(op, "data_requests")
