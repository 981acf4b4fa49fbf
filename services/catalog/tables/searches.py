"""Searches that were made."""

from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Table


class Search(Table):
    """A search that was made on a day; nothing of who made it. clicked: rank of the hit opened, 0 for none."""

    __tablename__ = "searches"
    __table_args__ = (Index("searches_by_day", "day"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    day: Mapped[str] = mapped_column(String(10))
    query: Mapped[str] = mapped_column(String(500))
    total: Mapped[int]
    clicked: Mapped[int]
    language: Mapped[str] = mapped_column(String(2))
