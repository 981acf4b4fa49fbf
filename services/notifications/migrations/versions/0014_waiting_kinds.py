"""An index of waiting notices by kind: codes and receipts are found without a look at each waiting reminder."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "notices_waiting_kind", "notices", ["kind", "due_at", "id"], sqlite_where=waiting, postgresql_where=waiting
    )
