"""The first letters of all words of a member, in each row of these words, for searches with several words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.column_types import BigNumber

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
works_with = "0001"


def upgrade() -> None:
    op.add_column("member_words", sa.Column("letters", BigNumber, nullable=False, server_default=sa.text("0")))
