"""The lending rules of institutions, and when their branches are open."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from services.circulation.tables.base import Table


class PolicyVersion(Table):
    """One saved set of rules; the latest is in force, and earlier ones stay, because loans name them.

    rows  JSON, as text: `policies.read_rows` reads it
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

    document  JSON, as text: `calendars.documents.read_calendar` reads it
    """

    __tablename__ = "branch_calendars"
    branch_id: Mapped[UUID] = mapped_column(ForeignKey("branches.id"), primary_key=True)
    institution_id: Mapped[UUID]
    version: Mapped[int]
    document: Mapped[str]
    saved_by: Mapped[str] = mapped_column(String(128))
    saved_at: Mapped[datetime]


class BranchDay(Table):
    """How long a branch was open on a day, in minutes; a later change of its calendar changes nothing.

    planned_minutes  by the hours of the week or season
    open_minutes     the same, or 0 on a day that was closed
    """

    __tablename__ = "branch_days"
    branch_id: Mapped[UUID] = mapped_column(ForeignKey("branches.id"), primary_key=True)
    date: Mapped[date] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    planned_minutes: Mapped[int]
    open_minutes: Mapped[int]
