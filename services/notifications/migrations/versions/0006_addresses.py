"""An index that finds the last attempt to an address, because anybody may write to the library at any rate."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_index("attempts_address", "attempts", ["address_hash", "started_at"])
