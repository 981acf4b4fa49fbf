"""Handlers of other services' facts."""

from __future__ import annotations

from sqlalchemy.orm import Session

from chassis.context import Context
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged
from rangkiang.circulation.v1.events_pb2 import LoanOpened, LoanRenewed, LoanReturned
from services.members import institutions
from services.members.people import loans


def copy_institutions(session: Session, fact: InstitutionsChanged, _context: Context) -> None:
    """Copy the institutions that the catalogue added or changed."""
    institutions.copy_institutions(session, fact.institutions)


def open_loan(session: Session, fact: LoanOpened, _context: Context) -> None:
    """Copy a new loan of a member."""
    loans.copy_loan(session, fact.loan, is_open=True)


def renew_loan(session: Session, fact: LoanRenewed, _context: Context) -> None:
    """Copy the new due date of a loan."""
    loans.copy_loan(session, fact.loan, is_open=True)


def return_loan(session: Session, fact: LoanReturned, _context: Context) -> None:
    """Mark the copy of a loan as returned."""
    loans.copy_loan(session, fact.loan, is_open=False)
