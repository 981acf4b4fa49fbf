"""An index with which the sender finds the refused addresses of members."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.create_index("refused_addresses_member", "refused_addresses", ["member_id"])
