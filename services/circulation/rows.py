"""Rows of tables with only the columns that acts use, and without ORM objects."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.circulation.tables import Borrower, Copy, Loan


class CopyRow(NamedTuple):
    """The columns of a copy that acts use."""

    id: UUID
    institution_id: UUID
    version: int
    barcode: str
    record_id: UUID | None
    title: str
    call_number: str
    enumeration: str
    branch_id: UUID | None
    collection: str
    status: str
    ddc_class: str
    language: str
    audience: str
    is_gone: bool
    state: str
    state_version: int
    transit_to: UUID | None
    act: str
    act_at: datetime | None
    act_branch_id: UUID | None
    act_loan_id: UUID | None


class BorrowerRow(NamedTuple):
    """The columns of a borrower that acts use."""

    id: UUID
    version: int
    card: str
    category: str
    expires_on: date | None
    blocks: list[dict[str, Any]]
    age_band: str
    sex: str
    region: str
    group: str
    merged_into: UUID | None
    lending_version: int


class LoanRow(NamedTuple):
    """The columns of a loan that acts use."""

    id: UUID
    institution_id: UUID
    version: int
    copy_id: UUID
    borrower_id: UUID | None
    branch_id: UUID
    lent_at: datetime
    due_at: datetime
    due_on: date
    unit: str
    renewals: int
    policy_row: dict[str, Any]
    returned_at: datetime | None


AnyCopy = Copy | CopyRow
AnyBorrower = Borrower | BorrowerRow
AnyLoan = Loan | LoanRow
