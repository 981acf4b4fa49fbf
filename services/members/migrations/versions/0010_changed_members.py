"""An index of members in order of change, for lists of what was changed since a time."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
works_with = "0008"  # an index


def upgrade() -> None:
    op.create_index("members_changed", "members", ["institution_id", "changed_at", "id"])
