"""The sender reads the refused addresses of its members from an index, however many there are."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_index("refused_addresses_member", "refused_addresses", ["member_id"])
