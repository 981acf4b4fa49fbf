"""Webhooks are changed: their version, their former secret; attempts of deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.migrations.columns import bytes_, number, time

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
works_with = "0015"  # new columns only


def upgrade() -> None:
    op.add_column("webhooks", number("version", default="1"))
    op.add_column("webhooks", time("changed_at", nullable=True))
    op.add_column("webhooks", bytes_("sealed_former_secret", nullable=True))
    op.add_column("webhooks", time("former_secret_until", nullable=True))
    op.add_column("webhook_facts", sa.Column("attempts", sa.JSON, nullable=True))
