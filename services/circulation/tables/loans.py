"""Loans, and suspensions of borrowers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from services.circulation.tables.base import Table


class Loan(Table):
    """A loan of one copy to one borrower; a copy has at most one open loan.

    borrower_id     None after the borrower was taken off the loan
    branch_id       the lending branch
    due_on          the day of due_at in the branch's zone
    unit            "day" or "hour"
    policy_version  version of the policies that decided
    policy_row      the row that decided, with the fields of services.circulation.policies
    days            calendar days that were tried as due date: [{"date": ISO 8601, "is_open": …, "why": …}]
    """

    __tablename__ = "loans"
    __table_args__ = (
        Index(
            "loans_open_copy",
            "copy_id",
            unique=True,
            sqlite_where=text("returned_at IS NULL"),
            postgresql_where=text("returned_at IS NULL"),
        ),
        Index("loans_copy", "copy_id"),
        Index("loans_borrower", "borrower_id", "returned_at"),
        Index(
            "loans_due",
            "institution_id",
            "due_at",
            "id",
            sqlite_where=text("returned_at IS NULL"),
            postgresql_where=text("returned_at IS NULL"),
        ),
        Index(
            "loans_to_clear",
            "returned_at",
            sqlite_where=text("borrower_id IS NOT NULL AND returned_at IS NOT NULL"),
            postgresql_where=text("borrower_id IS NOT NULL AND returned_at IS NOT NULL"),
        ),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    version: Mapped[int]
    copy_id: Mapped[UUID] = mapped_column(ForeignKey("copies.id"))
    borrower_id: Mapped[UUID | None]
    branch_id: Mapped[UUID]
    lent_at: Mapped[datetime]
    due_at: Mapped[datetime]
    due_on: Mapped[date]
    unit: Mapped[str] = mapped_column(String(8))
    renewals: Mapped[int]
    policy_version: Mapped[int]
    policy_row: Mapped[dict[str, Any]]
    days: Mapped[list[dict[str, Any]]]
    returned_at: Mapped[datetime | None]
    returned_branch_id: Mapped[UUID | None]


class Suspension(Table):
    """Days on which a borrower may not borrow or renew, both included.

    loan_id      the loan that was returned late
    returned_on  the day of the return; of several late returns on one day, only the longest counts
    ended_at     when a manager ended it early
    """

    __tablename__ = "suspensions"
    __table_args__ = (Index("suspensions_borrower", "borrower_id", "ends_on"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    borrower_id: Mapped[UUID]
    loan_id: Mapped[UUID | None]
    returned_on: Mapped[date]
    begins_on: Mapped[date]
    ends_on: Mapped[date]
    days: Mapped[int]
    ended_at: Mapped[datetime | None]


class ReminderNight(Table):
    """The progress of the reminders of an institution's branches in one zone; see `loans.reminders`.

    night     the day that is in progress, or was finished last
    done_on   the last day that is finished for every loan
    position  due moment and id of the last processed loan of `night`; empty at its beginning, and when it is finished
    parts     [{"position": …, "night": ISO 8601}] of nights after `done_on` that were not finished
    version   guards the next change
    """

    __tablename__ = "reminder_nights"
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    zone: Mapped[str] = mapped_column(String(64), primary_key=True)
    night: Mapped[date]
    done_on: Mapped[date]
    position: Mapped[list[str]] = mapped_column(JSON)
    parts: Mapped[list[dict[str, Any]]]
    version: Mapped[int]
