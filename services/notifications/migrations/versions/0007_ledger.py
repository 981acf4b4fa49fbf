"""Indexes for pages of the list of notices with every filter."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    # This runs before the revisions that add columns, which also lock a table for readers until the transaction ends.
    op.create_index("notices_state", "notices", ["institution_id", "state", "id"])
    op.create_index("notices_kind", "notices", ["institution_id", "kind", "id"])
