"""Works, whose editions are records."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Table


class Work(Table):
    """A creation whose editions are records, whatever their language, year and carrier.

    number       small and dense, for the index; when two works are merged the lower number stays
    merged_into  number of the work this one was merged into, never of a merged one; its id leads there
    """

    __tablename__ = "works"
    __table_args__ = (Index("works_by_merged", "merged_into"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("works.number"))


class WorkKey(Table):
    """The work of the records with this key; a key is a 63-bit hash (works.keys).

    Records store their own keys, so this table has one row per key, whatever the number of editions.
    """

    __tablename__ = "work_keys"
    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    work_number: Mapped[int]


class WorkRuling(Table):
    """A librarian's decision on a record and a work, which no rule overrides. ruling: "apart" or "together".

    A record with a decision stays where the newest decision put it, and its keys attract no other record.
    """

    __tablename__ = "work_rulings"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"), index=True)
    work_number: Mapped[int] = mapped_column(ForeignKey("works.number"))
    ruling: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    made_at: Mapped[datetime]
