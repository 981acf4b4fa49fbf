"""Plans of clients, and the daily counts of their requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber
from chassis.database.table_access import protect_rows
from chassis.migrations.columns import day, id_, number, text, time

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
works_with = "0008"  # new columns that may be empty, and a new table


def upgrade() -> None:
    for name in ("requests_a_minute", "requests_a_day", "records_a_day"):
        op.add_column("clients", sa.Column(name, BigNumber, nullable=True))
    op.add_column("clients", number("version", default="1"))
    op.add_column("clients", time("changed_at", nullable=True))
    op.create_table(
        "client_usage",
        id_("client_id", key=True),
        day("day", key=True),
        text("protocol", 16, key=True),
        id_("institution_id"),
        number("requests"),
        number("records"),
        number("refusals"),
    )
    protect_rows(op, "client_usage")
