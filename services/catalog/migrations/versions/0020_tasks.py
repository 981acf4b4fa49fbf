"""Tasks, uploaded files, and what imports changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id, UtcTime
from chassis.database.table_access import protect_rows

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
# Tables that older code does not use. An import of older code cannot be undone.
works_with = "0001"


def _institution() -> sa.Column[object]:
    return sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", Id, primary_key=True),
        _institution(),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("arguments", sa.String, nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("is_command", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("done", BigNumber, nullable=False),
        sa.Column("total", BigNumber, nullable=False),
        sa.Column("report", sa.String, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("starts", BigNumber, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("started_at", UtcTime, nullable=True),
        sa.Column("ended_at", UtcTime, nullable=True),
        sa.Column("cancelled_at", UtcTime, nullable=True),
    )
    op.create_index("tasks_by_institution", "tasks", ["institution_id", "id"])
    op.create_table(
        "task_findings",
        sa.Column("task_id", Id, sa.ForeignKey("tasks.id"), primary_key=True),
        sa.Column("record", BigNumber, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.String(64), primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        _institution(),
        sa.Column("position", BigNumber, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("is_rejected", sa.Boolean, nullable=False),
    )
    op.create_table(
        "uploads",
        sa.Column("id", Id, primary_key=True),
        _institution(),
        sa.Column("size", BigNumber, nullable=True),
        sa.Column("created_at", UtcTime, nullable=False),
    )
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", Id, sa.ForeignKey("uploads.id"), primary_key=True),
        sa.Column("number", BigNumber, primary_key=True, autoincrement=False),
        _institution(),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "import_changes",
        sa.Column("run", BigNumber, sa.ForeignKey("import_runs.number"), primary_key=True, autoincrement=False),
        sa.Column("record_number", BigNumber, sa.ForeignKey("records.number"), primary_key=True, autoincrement=False),
        _institution(),
        sa.Column("is_offer", sa.Boolean, nullable=False),
        sa.Column("version", BigNumber, nullable=True),
        sa.Column("before", sa.LargeBinary, nullable=True),
        sa.Column("imported", sa.LargeBinary, nullable=True),
        sa.Column("format", sa.String(16), nullable=True),
        sa.Column("raw", sa.LargeBinary, nullable=True),
    )
    op.create_index("ix_import_changes_record_number", "import_changes", ["record_number"])
    for table in ("tasks", "task_findings", "uploads", "upload_parts", "import_changes"):
        protect_rows(op, table, public_read=True)
