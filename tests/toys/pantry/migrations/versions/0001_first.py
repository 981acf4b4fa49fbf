"""The pantry's first form."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.bus.local import create_deliveries
from chassis.db import BigNumber, Id
from chassis.inbox import create_inbox
from chassis.migrate import create_leases
from chassis.outbox import create_outbox

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_outbox(op)
    create_inbox(op)
    create_deliveries(op)
    create_leases(op)
    op.create_table("jars", sa.Column("id", Id, primary_key=True), sa.Column("name", sa.String(64), nullable=False))
    op.create_table(
        "uses", sa.Column("number", BigNumber, primary_key=True), sa.Column("name", sa.String(64), nullable=False)
    )
