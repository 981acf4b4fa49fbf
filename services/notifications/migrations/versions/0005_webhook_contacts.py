"""The e-mail address of a webhook's owner, who is notified when the webhook is disabled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("sealed_contact", sa.LargeBinary, nullable=True))
