"""Works: what several records are editions of."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Table


class Work(Table):
    """What several records are editions of: one creation, whatever its language, year and carrier.

    number       small and dense, for the index
    merged_into  number of the work this one turned out to be; its id goes on leading there
    """

    __tablename__ = "works"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    title: Mapped[str]
    author: Mapped[str]
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("works.number"))


class WorkKey(Table):
    """By what a record may be found to be of a work: hashes of its work keys, 63 bits."""

    __tablename__ = "work_keys"
    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"), primary_key=True, autoincrement=False)
    __table_args__ = (Index("work_keys_by_record", "record_number"),)


class WorkRuling(Table):
    """A librarian's word on a record and a work, which no rule overrides. ruling: "apart" or "together"."""

    __tablename__ = "work_rulings"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"), index=True)
    work_number: Mapped[int] = mapped_column(ForeignKey("works.number"))
    ruling: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    made_at: Mapped[datetime]
