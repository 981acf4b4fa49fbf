"""The version of the rules that group records into works, and the progress of regrouping an existing catalogue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
works_with = "0002"

EMPTY_CATALOGUE_RULES = 2


def upgrade() -> None:
    op.add_column("installation", sa.Column("works_rules", BigNumber, nullable=False, server_default="1"))
    op.add_column("installation", sa.Column("regrouped", BigNumber, nullable=False, server_default="0"))
    records = sa.table("records", sa.column("number"))
    if op.get_bind().scalar(sa.select(records.c.number).limit(1)) is None:
        installation = sa.table("installation", sa.column("works_rules"))
        op.execute(installation.update().values(works_rules=EMPTY_CATALOGUE_RULES))
