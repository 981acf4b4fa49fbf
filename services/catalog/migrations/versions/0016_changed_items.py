"""The time of the last change of each item, and indexes, for lists of what was changed since a time."""

from __future__ import annotations

from alembic import op

from chassis.migrations.columns import changed_at

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
works_with = "0001"  # older code does not write the column, so its items count as changed at this revision


def upgrade() -> None:
    op.add_column("items", changed_at())
    op.create_index("items_changed", "items", ["institution_id", "changed_at", "id"])
    op.create_index("gone_items_by_time", "gone_items", ["institution_id", "gone_at", "id"])
