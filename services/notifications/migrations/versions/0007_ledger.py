"""Pages of the ledger and of the print list are read from an index, whatever they are filtered by."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    # Before the revisions that add columns: those lock a table for readers too, until the transaction ends.
    op.create_index("notices_state", "notices", ["institution_id", "state", "id"])
    op.create_index("notices_kind", "notices", ["institution_id", "kind", "id"])
