"""Counts without a person: a row for each act, and refusals by day."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.circulation.tables.base import Table


class DailyFact(Table):
    """One act with the values of its day; later changes of item or member do not change it.

    id      random and not in order of time, so that no row can be matched to a loan
    kind    "loan", "renewal", "return" or "in_library_use"
    branch  code of the branch of the act
    """

    __tablename__ = "daily_facts"
    __table_args__ = (Index("daily_facts_date", "institution_id", "date"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    date: Mapped[date]
    kind: Mapped[str] = mapped_column(String(16))
    branch: Mapped[str] = mapped_column(String(64))
    collection: Mapped[str] = mapped_column(String(64))
    ddc_class: Mapped[str]
    language: Mapped[str] = mapped_column(String(16))
    audience: Mapped[str] = mapped_column(String(32))
    category: Mapped[str] = mapped_column(String(32))
    age_band: Mapped[str] = mapped_column(String(16))
    sex: Mapped[str] = mapped_column(String(8))
    region: Mapped[str] = mapped_column(String(16))
    channel: Mapped[str] = mapped_column(String(16))


class RefusalCount(Table):
    """The number of refusals for a reason, on one day at one branch."""

    __tablename__ = "refusal_counts"
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    date: Mapped[date] = mapped_column(primary_key=True)
    branch: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
