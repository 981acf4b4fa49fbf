"""Browsers in which members allow notices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import Id
from chassis.table_access import protect_rows

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_table(
        "push_devices",
        sa.Column("id", Id, primary_key=True),
        sa.Column("institution_id", Id, nullable=False),
        sa.Column("member_id", Id, nullable=False),
        sa.Column("endpoint_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("institution_id", "endpoint_hash"),
    )
    op.create_index("push_devices_member", "push_devices", ["member_id", "made_at"])
    protect_rows(op, "push_devices")
