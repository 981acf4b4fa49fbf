"""Access tokens that their clients revoked."""

from __future__ import annotations

from alembic import op

from chassis.database.table_access import protect_rows
from chassis.migrations.columns import id_, index, time

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
works_with = "0008"  # a new table only


def upgrade() -> None:
    op.create_table("revoked_tokens", id_(key=True), id_("institution_id"), id_("client_id"), time("revoked_at"))
    index("revoked_tokens_time", "revoked_tokens", ["revoked_at"])
    index("revoked_tokens_client", "revoked_tokens", ["client_id"])
    protect_rows(op, "revoked_tokens")
