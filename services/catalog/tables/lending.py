"""Gone items, edits of items, and states and rules from circulation; imports do not delete these rows."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Compressed, Table


class GoneItem(Table):
    """An item that is no longer in the catalogue. If a record has its barcode again, the item gets its id again.

    barcode  as its record had it; None when it had none
    copy     UTF-8 JSON of the last ItemCopy, with `gone`
    is_own   staff removed it: imports do not bring it back
    item     JSON of its columns when its record was deleted, to bring it back with the record; else None
    """

    __tablename__ = "gone_items"
    __table_args__ = (
        Index("gone_items_by_barcode", "institution_id", "barcode"),
        Index("gone_items_by_time", "institution_id", "gone_at", "id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    barcode: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[int]
    copy: Mapped[bytes] = mapped_column(Compressed)
    gone_at: Mapped[datetime]
    is_own: Mapped[bool] = mapped_column(server_default=false())
    item: Mapped[bytes | None] = mapped_column(Compressed)


class ItemOverride(Table):
    """Values that staff gave an item; imports keep them.

    source_barcode   barcode of the item in its record, by which an import finds the item; None when it has none
    barcode, status  values by staff; None for the value of the record
    """

    __tablename__ = "item_overrides"
    __table_args__ = (Index("item_overrides_by_source_barcode", "institution_id", "source_barcode"),)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    source_barcode: Mapped[str | None] = mapped_column(String(64))
    barcode: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str | None] = mapped_column(String(32))
    changed_at: Mapped[datetime]


class ItemState(Table):
    """The state of an item in circulation; a row may exist before its item. An event with an older version is ignored.

    state   "in", "on_loan" or "transit"
    due_on  ISO 8601; "" when it is not lent
    """

    __tablename__ = "item_states"
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(String(16))
    state_version: Mapped[int]
    due_on: Mapped[str] = mapped_column(String(10))


class LendingRules(Table):
    """The rules by which items of an institution are only read in the library, from the policy of its default category.

    rules         JSON list of [collection, branch id, whether they are only read in the library]; "" means any
    refreshed_to  number of the last record whose holdings were computed with these rules; None when all were
    """

    __tablename__ = "lending_rules"
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    rules: Mapped[bytes]
    refreshed_to: Mapped[int | None]
