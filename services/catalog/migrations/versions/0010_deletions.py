"""Access to items, sources whose records are deleted, and deletions and findings of imports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    op.add_column("items", sa.Column("access", sa.String(16), nullable=True))
    op.add_column("sources", sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True))
    for name in ("deleted", "missing", "kept"):
        op.add_column("import_runs", sa.Column(name, BigNumber, nullable=False, server_default="0"))
    op.add_column("import_runs", sa.Column("findings", sa.String, nullable=False, server_default="[]"))
    op.create_index(
        "records_deleted",
        "records",
        ["deleted_at"],
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
