"""Copies of other services' rows: institutions and branches, members without names, loans without members."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from chassis.institutions import BranchColumns, InstitutionColumns
from services.notifications.tables.base import Table


class Institution(InstitutionColumns, Table):
    """An institution, copied from the catalogue."""


class Branch(BranchColumns, Table):
    """A branch of an institution, copied with it."""


class SendingRules(Table):
    """The hours in which an institution sends digests, "HH:MM". Without a row: all hours outside the quiet hours."""

    __tablename__ = "sending_rules"
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    opens: Mapped[str] = mapped_column(String(5))
    closes: Mapped[str] = mapped_column(String(5))
    saved_by: Mapped[str] = mapped_column(String(128))
    saved_at: Mapped[datetime]


class Member(Table):
    """A member, copied from the service members without name and contact data.

    version      version of the row in members; an older event changes nothing
    merged_into  the member that this one was merged into
    moved_to     equals merged_into: its notices were moved there
    is_erased    the row stays without values, so that a late event makes no notice
    wrapped_key  key of the texts of this member's notices, wrapped by the master key; None before the first text
    """

    __tablename__ = "members"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    version: Mapped[int]
    keeps_history: Mapped[bool]
    merged_into: Mapped[UUID | None]
    moved_to: Mapped[UUID | None]
    is_erased: Mapped[bool]
    wrapped_key: Mapped[bytes | None] = mapped_column(LargeBinary)


class StoredMasterKey(Table):
    """The fingerprint of this database's master key; the table has one row.

    seen_at  time of the first use of the key
    """

    __tablename__ = "master_keys"
    fingerprint: Mapped[str] = mapped_column(String(32), primary_key=True)
    seen_at: Mapped[datetime]


class LoanMark(Table):
    """The state of a loan, without its member, so that late events make no notices.

    state_version  state version in circulation; an older event changes nothing
    """

    __tablename__ = "loan_marks"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    state_version: Mapped[int]
    due_on: Mapped[date]
    returned_at: Mapped[datetime | None] = mapped_column(index=True)
