"""Weekly hours of branches by their first day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
works_with = "0001"  # one more column, which older code leaves as it is


def upgrade() -> None:
    op.add_column("branch_calendars", sa.Column("weeks", sa.Text, nullable=True))
