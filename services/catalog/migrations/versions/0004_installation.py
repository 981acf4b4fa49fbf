"""The id of the installation; the markers of its indexes contain this id."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import Id
from chassis.ids import new_id

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
works_with = "0002"


def upgrade() -> None:
    table = op.create_table("installation", sa.Column("id", Id, primary_key=True))
    # The oldest rebuild has the same id in every dump. So every dump that is older than this revision gets the same id.
    rebuilds = sa.table("index_rebuilds", sa.column("id", Id), sa.column("asked_at"))
    oldest = op.get_bind().scalar(sa.select(rebuilds.c.id).order_by(rebuilds.c.asked_at).limit(1))
    op.bulk_insert(table, [{"id": oldest or new_id()}])
