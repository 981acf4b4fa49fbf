"""Addresses of staff accounts, for tests of templates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import Id
from chassis.table_access import protect_rows

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_table(
        "staff_addresses",
        sa.Column("institution_id", Id, primary_key=True),
        sa.Column("account", sa.String(128), primary_key=True),
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("tries", sa.BigInteger, nullable=False),
        sa.Column("is_confirmed", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    protect_rows(op, "staff_addresses")
