"""The query log."""

from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Table

MOST_CHARACTERS = 500  # of a stored query


class Search(Table):
    """A search of one day, or an opened hit of one; without data about the reader.

    total    hits found; of an opened hit at least its rank
    clicked  rank of the hit that was opened, from 1 on the first page; 0: this row is the search itself
    """

    __tablename__ = "searches"
    __table_args__ = (Index("searches_by_day", "day"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    day: Mapped[str] = mapped_column(String(10))
    query: Mapped[str] = mapped_column(String(MOST_CHARACTERS))
    total: Mapped[int]
    clicked: Mapped[int]
    language: Mapped[str] = mapped_column(String(2))
