"""Copies of other services' rows: institutions and branches, items and their circulation state, members."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from chassis.institutions import BranchColumns, InstitutionColumns
from services.circulation.tables.base import Table


class Institution(InstitutionColumns, Table):
    """An institution, copied from the catalogue."""

    kind: Mapped[str] = mapped_column(String(32))


class Branch(BranchColumns, Table):
    """A branch of an institution, copied with it."""


class Copy(Table):
    """An item as the catalogue describes it, and its circulation state.

    version        version of the catalogue's row; an older fact changes nothing
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

    version          version of the row in members; an older fact changes nothing
    card             the first number of the member
    blocks           [{"reason": …, "ends_on": ISO 8601 or ""}]
    keeps_history    the member agreed that returned loans keep their borrower
    merged_into      the member that this one was merged into
    is_erased        the row stays without values, so that a late fact cannot restore them
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
