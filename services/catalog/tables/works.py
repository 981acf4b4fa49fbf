"""Works: what several records are editions of."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Table


class Work(Table):
    """What several records are editions of: one creation, whatever its language, year and carrier.

    number       small and dense, for the index; of two works that turn out to be one the lower leads on
    merged_into  number of the work this one turned out to be, never of one that is merged itself; its id leads there
    """

    __tablename__ = "works"
    __table_args__ = (Index("works_by_merged", "merged_into"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("works.number"))


class WorkKey(Table):
    """The work that records with this key are of; a key is a hash of 63 bits (clustering.keys_of).

    Records keep their own keys, packed; so this is one row a key, whatever the number of editions.
    """

    __tablename__ = "work_keys"
    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    work_number: Mapped[int]


class WorkRuling(Table):
    """A librarian's word on a record and a work, which no rule overrides. ruling: "apart" or "together".

    A record ruled on stands where the newest ruling put it, and its keys pull no other.
    """

    __tablename__ = "work_rulings"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"), index=True)
    work_number: Mapped[int] = mapped_column(ForeignKey("works.number"))
    ruling: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    made_at: Mapped[datetime]
