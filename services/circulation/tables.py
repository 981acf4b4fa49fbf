"""The tables of circulation: copies of other services' rows, loans, lending rules, calendars and counts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis import clock
from chassis.database.column_types import COLUMN_TYPES
from chassis.institutions import BranchColumns, InstitutionColumns

_OPEN: dict[str, Any] = {"sqlite_where": text("returned_at IS NULL"), "postgresql_where": text("returned_at IS NULL")}


class Table(DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class Institution(InstitutionColumns, Table):
    """An institution, copied from the catalogue."""

    kind: Mapped[str] = mapped_column(String(32))


class Branch(BranchColumns, Table):
    """A branch of an institution, copied with it."""


class Copy(Table):
    """An item as the catalogue describes it, and its circulation state.

    version        version of the catalogue's row; an older event changes nothing
    is_gone        the item is no longer in the catalogue; its loans stay
    state          "in", "on_loan" or "transit"
    state_version  grows with each act on the copy and guards the next act
    transit_to     destination of a copy in transit
    act            the last act: "check_out", "check_in", "move" or "use"; "" without one
    act_at         when the last act was recorded; the same scan within a minute gets the same answer
    act_loan_id    loan of the last act
    """

    __tablename__ = "copies"
    __table_args__ = (
        Index("copies_barcode", "institution_id", "barcode"),
        Index("copies_not_in", "id", sqlite_where=text("state <> 'in'"), postgresql_where=text("state <> 'in'")),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    version: Mapped[int]
    barcode: Mapped[str] = mapped_column(String(64))
    record_id: Mapped[UUID | None]
    title: Mapped[str]
    call_number: Mapped[str]
    enumeration: Mapped[str]
    branch_id: Mapped[UUID | None]
    collection: Mapped[str] = mapped_column(String(64))
    room: Mapped[str]
    status: Mapped[str] = mapped_column(String(32))
    ddc_class: Mapped[str]
    language: Mapped[str] = mapped_column(String(16))
    audience: Mapped[str] = mapped_column(String(32))
    year: Mapped[int]
    is_gone: Mapped[bool]
    state: Mapped[str] = mapped_column(String(16))
    state_version: Mapped[int]
    transit_to: Mapped[UUID | None]
    act: Mapped[str] = mapped_column(String(16))
    act_at: Mapped[datetime | None]
    act_branch_id: Mapped[UUID | None]
    act_loan_id: Mapped[UUID | None]


class Borrower(Table):
    """A member, copied from the service members without a name.

    version          version of the row in members; an older event changes nothing
    card             the first number of the member
    blocks           [{"reason": …, "ends_on": ISO 8601 or ""}]
    keeps_history    the member agreed that returned loans keep their borrower
    merged_into      the member that this one was merged into
    is_erased        the row stays without values, so that a late event cannot restore them
    lending_version  grows with each loan and suspension and guards the next one
    """

    __tablename__ = "borrowers"
    __table_args__ = (Index("borrowers_group", "institution_id", "group"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    version: Mapped[int]
    card: Mapped[str] = mapped_column(String(64))
    category: Mapped[str] = mapped_column(String(32))
    expires_on: Mapped[date | None]
    blocks: Mapped[list[dict[str, Any]]]
    age_band: Mapped[str] = mapped_column(String(16))
    sex: Mapped[str] = mapped_column(String(8))
    region: Mapped[str] = mapped_column(String(16))
    group: Mapped[str]
    is_organisation: Mapped[bool]
    keeps_history: Mapped[bool]
    merged_into: Mapped[UUID | None]
    is_erased: Mapped[bool]
    lending_version: Mapped[int]


class BorrowerNumber(Table):
    """A number that identifies a borrower, exactly as scanned."""

    __tablename__ = "borrower_numbers"
    __table_args__ = (Index("borrower_numbers_borrower", "borrower_id"),)
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(64), primary_key=True)
    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)


class Loan(Table):
    """A loan of one copy to one borrower; a copy has at most one open loan.

    borrower_id     None after the borrower was taken off the loan
    branch_id       the lending branch
    due_on          the day of due_at in the branch's zone
    unit            "day" or "hour"
    policy_version  version of the policies that decided
    policy_row      the row that decided, with the fields of services.circulation.policies
    days            calendar days that were tried as due date: [{"date": ISO 8601, "is_open": …, "why": …}]
    changed_at      time of the last write; of rows from before revision 0006 the time of that revision
    """

    __tablename__ = "loans"
    __table_args__ = (
        Index("loans_open_copy", "copy_id", unique=True, **_OPEN),
        Index("loans_copy", "copy_id"),
        Index("loans_borrower", "borrower_id", "returned_at"),
        Index("loans_changed", "institution_id", "changed_at", "id"),
        Index("loans_due", "institution_id", "due_at", "id", **_OPEN),
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
    changed_at: Mapped[datetime] = mapped_column(default=clock.now, onupdate=clock.now)


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


class DailyCount(Table):
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
