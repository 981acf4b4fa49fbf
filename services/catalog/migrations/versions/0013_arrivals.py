"""An index of a branch's items in order of arrival, which is the order of their ids."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
works_with = "0001"  # an index


def upgrade() -> None:
    op.create_index("items_by_arrival", "items", ["branch_id", "id"])
