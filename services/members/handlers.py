"""Handlers of other services' events."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from chassis.context import Context
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged
from rangkiang.circulation.v1.events_pb2 import LoanOpened, LoanRenewed, LoanReturned
from services.members import institutions
from services.members.people import loans


def copy_institutions(session: Session, event: InstitutionsChanged, _context: Context) -> None:
    """Copy the institutions that the catalogue added or changed."""
    institutions.copy_institutions(session, event.institutions)


def copy_loans(session: Session, events: Sequence[tuple[LoanOpened | LoanRenewed | LoanReturned, Context]]) -> None:
    """Copy loans of members that were opened, renewed or returned."""
    loans.copy_loans(session, [(event.loan, not isinstance(event, LoanReturned)) for event, _ in events])
