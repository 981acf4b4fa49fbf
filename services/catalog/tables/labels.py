"""Labels that items need, what was printed together, ranges of barcodes, and own sheets of labels."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Compressed, Table


class QueuedLabel(Table):
    """A label that an item needs. After another change of the item's label, the row has another id.

    item_id  an item that has gone keeps its row, for its return
    """

    __tablename__ = "label_queue"
    __table_args__ = (Index("label_queue_in_order", "institution_id", "id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    item_id: Mapped[UUID] = mapped_column(unique=True)
    queued_at: Mapped[datetime]


class LabelPrint(Table):
    """Labels that are printed together.

    labels  JSON list of [id of the item, id of its queued label or null]
    """

    __tablename__ = "label_prints"
    __table_args__ = (Index("label_prints_in_order", "institution_id", "id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    labels: Mapped[bytes] = mapped_column(Compressed)
    count: Mapped[int]
    made_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class BarcodeRange(Table):
    """Barcodes that are printed before their items exist. first, last: of the sequence in items.barcodes"""

    __tablename__ = "barcode_ranges"
    __table_args__ = (Index("barcode_ranges_in_order", "institution_id", "id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    first: Mapped[int]
    last: Mapped[int]
    reserved_at: Mapped[datetime]


class LabelSheets(Table):
    """The institution's own sheets of labels. sheets: JSON list, see cataloguing.labels.sheets.Sheet"""

    __tablename__ = "label_sheets"
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    version: Mapped[int]
    sheets: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]
