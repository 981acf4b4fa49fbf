"""Messages of people to a number of several institutions: their senders, who are asked for the institution."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import Id

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.add_column("inbound_messages", sa.Column("sender_hash", sa.LargeBinary(32), nullable=True))
    op.add_column("inbound_messages", sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("inbound_messages", sa.Column("institution_id", Id, nullable=True))
    op.create_index("ix_inbound_messages_sender_hash", "inbound_messages", ["sender_hash"])
