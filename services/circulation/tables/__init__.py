"""The tables of circulation, by what they are about."""

from __future__ import annotations

from services.circulation.tables.base import Table
from services.circulation.tables.copies import Borrower, BorrowerNumber, Branch, Copy, Institution
from services.circulation.tables.counts import DailyFact, RefusalCount
from services.circulation.tables.loans import Loan, Suspension

__all__ = [
    "Borrower",
    "BorrowerNumber",
    "Branch",
    "Copy",
    "DailyFact",
    "Institution",
    "Loan",
    "RefusalCount",
    "Suspension",
    "Table",
]
