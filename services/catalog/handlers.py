"""Handlers of circulation's events in the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from chassis.context import Context
from rangkiang.circulation.v1.events_pb2 import CopyMoved, LoanOpened, LoanRenewed, LoanReturned, PoliciesChanged
from services.catalog.items import states

LoanEvent = LoanOpened | LoanRenewed | LoanReturned | CopyMoved


def keep_states(session: Session, events: Sequence[tuple[LoanEvent, Context]]) -> None:
    """Store the states of items, and show them in the holdings of their records."""
    states.store_states(session, [(event.loan, context) for event, context in events])


def keep_rules(session: Session, event: PoliciesChanged, _context: Context) -> None:
    """Store which items may only be read in the library."""
    states.put_rules(session, event)
