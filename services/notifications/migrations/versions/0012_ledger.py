"""Pages of the ledger and of the print list are read from an index, whatever they are filtered by."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_index("notices_state", "notices", ["institution_id", "state", "id"])
    op.create_index("notices_kind", "notices", ["institution_id", "kind", "id"])
