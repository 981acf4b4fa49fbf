"""Members who ended the history of their loans: loans leave their older notices too."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from chassis.column_types import UtcTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
works_with = "0001"

# When the rows were written does not matter: the next run of the job takes all of them.
MOMENT = datetime(2026, 11, 27, tzinfo=UTC)


def upgrade() -> None:
    op.add_column("members", sa.Column("history_ended_at", sa.DateTime(timezone=True), nullable=True))
    condition = sa.text("history_ended_at IS NOT NULL")
    op.create_index("members_history_ended", "members", ["id"], sqlite_where=condition, postgresql_where=condition)
    members = sa.table("members", sa.column("keeps_history", sa.Boolean), sa.column("history_ended_at", UtcTime))
    # Earlier releases did not note when a history ended.
    op.execute(members.update().where(sa.not_(members.c.keeps_history)).values(history_ended_at=MOMENT))
