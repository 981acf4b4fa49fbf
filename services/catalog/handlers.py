"""Handlers of circulation's facts in the catalogue."""

from __future__ import annotations

from sqlalchemy.orm import Session

from chassis.context import Context
from rangkiang.circulation.v1.events_pb2 import CopyMoved, LoanOpened, LoanRenewed, LoanReturned, PoliciesChanged
from services.catalog.items import states


def keep_state(session: Session, fact: LoanOpened | LoanRenewed | LoanReturned | CopyMoved, context: Context) -> None:
    """Store the state of the item, and show it in the holdings of its record."""
    states.put_state(session, fact.loan, context=context)


def keep_rules(session: Session, fact: PoliciesChanged, _context: Context) -> None:
    """Store which items may only be read in the library."""
    states.put_rules(session, fact)
