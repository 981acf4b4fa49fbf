"""The index queue and requests for a rebuild."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Table


class IndexQueue(Table):
    """Records to write to the index; a row is deleted by (number, version) after the write."""

    __tablename__ = "index_queue"
    record_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]


class IndexRebuild(Table):
    """A request for a new index and its progress; the holder of the index lease carries it out.

    state  "wanted", "running", "done" or "failed"
    """

    __tablename__ = "index_rebuilds"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    reached: Mapped[int]
    written: Mapped[int]
    total: Mapped[int]
    error: Mapped[str]
    finished_at: Mapped[datetime | None]
