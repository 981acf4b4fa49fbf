"""The queue of labels, what was printed together, ranges of barcodes, and own sheets of labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.database.column_types import BigNumber, Id, UtcTime
from chassis.database.table_access import protect_rows

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
# Tables that older code does not use. Items that older code adds have no label in the queue.
works_with = "0001"


def upgrade() -> None:
    op.create_table(
        "label_queue",
        sa.Column("id", Id, primary_key=True),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("item_id", Id, nullable=False, unique=True),
        sa.Column("queued_at", UtcTime, nullable=False),
    )
    op.create_index("label_queue_in_order", "label_queue", ["institution_id", "id"])
    # Items that cataloguers have added so far. The id of an item is as good an id of its label as any other.
    op.execute(
        "INSERT INTO label_queue (id, institution_id, item_id, queued_at)"
        " SELECT items.id, items.institution_id, items.id, items.changed_at"
        " FROM items JOIN accessions ON accessions.item_id = items.id"
    )
    op.create_table(
        "label_prints",
        sa.Column("id", Id, primary_key=True),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("labels", sa.LargeBinary, nullable=False),
        sa.Column("count", BigNumber, nullable=False),
        sa.Column("made_at", UtcTime, nullable=False),
        sa.Column("confirmed_at", UtcTime, nullable=True),
    )
    op.create_index("label_prints_in_order", "label_prints", ["institution_id", "id"])
    op.create_table(
        "barcode_ranges",
        sa.Column("id", Id, primary_key=True),
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("first", BigNumber, nullable=False),
        sa.Column("last", BigNumber, nullable=False),
        sa.Column("reserved_at", UtcTime, nullable=False),
    )
    op.create_index("barcode_ranges_in_order", "barcode_ranges", ["institution_id", "id"])
    op.create_table(
        "label_sheets",
        sa.Column("institution_id", Id, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("version", BigNumber, nullable=False),
        sa.Column("sheets", sa.Text, nullable=False),
        sa.Column("changed_at", UtcTime, nullable=False),
    )
    for table in ("label_queue", "label_prints", "barcode_ranges", "label_sheets"):
        protect_rows(op, table, public_read=True)
