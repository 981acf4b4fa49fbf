"""Messages of a merged member move to the kept member, but their texts stay sealed under the old member's key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import Id

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.add_column("members", sa.Column("moved_to", Id, nullable=True))
    op.add_column("messages", sa.Column("key_member_id", Id, nullable=True))
    condition = sa.text("key_member_id IS NOT NULL")
    op.create_index("messages_key", "messages", ["key_member_id"], sqlite_where=condition, postgresql_where=condition)
