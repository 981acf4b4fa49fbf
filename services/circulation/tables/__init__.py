"""The tables of circulation."""

from __future__ import annotations

from services.circulation.tables.base import Table
from services.circulation.tables.copies import Borrower, BorrowerNumber, Branch, Copy, Institution
from services.circulation.tables.counts import DailyFact, RefusalCount
from services.circulation.tables.loans import Loan, ReminderNight, Suspension
from services.circulation.tables.rules import BranchCalendar, BranchDay, PolicyVersion

__all__ = [
    "Borrower",
    "BorrowerNumber",
    "Branch",
    "BranchCalendar",
    "BranchDay",
    "Copy",
    "DailyFact",
    "Institution",
    "Loan",
    "PolicyVersion",
    "RefusalCount",
    "ReminderNight",
    "Suspension",
    "Table",
]
