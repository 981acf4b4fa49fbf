"""The words with which readers search for a class, beside its caption."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    op.add_column("class_captions", sa.Column("words", sa.String, nullable=False, server_default=""))
