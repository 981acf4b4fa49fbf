"""The lending rules of institutions, and the calendars of their branches."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from services.circulation.tables.base import Table


class PolicyVersion(Table):
    """One saved set of rules. The latest is in force; earlier ones stay, because loans refer to them.

    rows  JSON as text, for `policies.read_rows`
    """

    __tablename__ = "policy_versions"
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    default_category: Mapped[str] = mapped_column(String(32))
    rows: Mapped[str]
    saved_by: Mapped[str] = mapped_column(String(128))
    saved_at: Mapped[datetime]


class BranchCalendar(Table):
    """The calendar of a branch; a branch without a row is open every day.

    document  JSON as text, for `calendars.documents.read_calendar`; only release 0.4.0 reads its weekly hours
    weeks     JSON as text: weekly hours by first day
    """

    __tablename__ = "branch_calendars"
    branch_id: Mapped[UUID] = mapped_column(ForeignKey("branches.id"), primary_key=True)
    institution_id: Mapped[UUID]
    version: Mapped[int]
    document: Mapped[str]
    weeks: Mapped[str] = mapped_column(nullable=True)
    saved_by: Mapped[str] = mapped_column(String(128))
    saved_at: Mapped[datetime]


class BranchDay(Table):
    """The open minutes of a branch on a day; later changes of its calendar do not change them.

    planned_minutes  minutes by the weekly hours or the season
    open_minutes     the same, or 0 on a closed day
    """

    __tablename__ = "branch_days"
    branch_id: Mapped[UUID] = mapped_column(ForeignKey("branches.id"), primary_key=True)
    date: Mapped[date] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    planned_minutes: Mapped[int]
    open_minutes: Mapped[int]
