"""The time of the last change of each loan, and an index, for lists of what was changed since a time."""

from __future__ import annotations

from alembic import op

from chassis.migrations.columns import changed_at

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
works_with = "0005"  # older code does not write the column, so its loans count as changed at this revision


def upgrade() -> None:
    op.add_column("loans", changed_at())
    op.create_index("loans_changed", "loans", ["institution_id", "changed_at", "id"])
