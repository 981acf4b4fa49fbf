"""Rows of circulation for benchmarks: items, borrowers with a card, and loans that ended."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.ids import new_id
from services.circulation.tables import Borrower, BorrowerNumber, Loan

BENCH = system("bench")
ROWS_AT_ONCE = 5_000


def add(database: Database, table: Any, rows: Iterable[dict[str, Any]]) -> None:
    remaining = iter(rows)
    while batch := list(itertools.islice(remaining, ROWS_AT_ONCE)):
        with database.transaction(BENCH) as session:
            session.connection().execute(insert(table.__table__), batch)


def add_borrowers(database: Database, institution: UUID, count: int) -> list[UUID]:
    """Add borrowers with the cards M0000000 and so on. Returns their ids."""
    borrowers = [new_id() for _ in range(count)]
    add(database, Borrower, (_borrower(number, row, institution) for number, row in enumerate(borrowers)))
    numbers = (
        {"institution_id": institution, "number": f"M{number:07}", "borrower_id": row}
        for number, row in enumerate(borrowers)
    )
    add(database, BorrowerNumber, numbers)
    return borrowers


def add_past_loans(
    database: Database,
    count: int,
    *,
    institution: UUID,
    branch: UUID,
    copies: Sequence[UUID],
    borrowers: Sequence[UUID],
) -> None:
    """Add loans of the last three years that were returned."""
    now = clock.now()

    def row(number: int) -> dict[str, Any]:
        lent_at = now - timedelta(days=20 + number % 1000)
        due_at = lent_at + timedelta(days=7)
        return {
            "id": uuid.uuid4(), "institution_id": institution, "version": 2, "copy_id": copies[number % len(copies)],
            "borrower_id": borrowers[number % len(borrowers)], "branch_id": branch, "lent_at": lent_at,
            "due_at": due_at, "due_on": due_at.date(), "unit": "day", "renewals": 0, "policy_version": 0,
            "policy_row": {}, "days": [], "returned_at": due_at, "returned_branch_id": branch,
        }  # fmt: skip

    add(database, Loan, (row(number) for number in range(count)))


def copy(number: int, row: UUID, institution: UUID, branch: UUID) -> dict[str, Any]:
    """Return an item in its branch, with the barcode B0000000 and so on."""
    return {
        "id": row, "institution_id": institution, "version": 1, "barcode": f"B{number:07}", "record_id": row,
        "title": f"Buku {number}", "call_number": "899.221 NAV r", "enumeration": "", "branch_id": branch,
        "collection": "circulation", "room": "", "status": "in_service", "ddc_class": "899", "language": "ind",
        "audience": "", "year": 1990, "is_gone": False, "state": "in", "state_version": 0, "transit_to": None,
        "act": "", "act_at": None, "act_branch_id": None, "act_loan_id": None,
    }  # fmt: skip


def _borrower(number: int, row: UUID, institution: UUID) -> dict[str, Any]:
    return {
        "id": row, "institution_id": institution, "version": 1, "card": f"M{number:07}", "category": "umum",
        "expires_on": None, "blocks": [], "age_band": "26-45", "sex": "female", "region": "13.72.01", "group": "",
        "is_organisation": False, "merged_into": None, "is_erased": False, "keeps_history": True, "lending_version": 0,
    }  # fmt: skip
