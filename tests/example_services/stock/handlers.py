"""What the stock service does when an order is placed."""

from __future__ import annotations

from sqlalchemy import insert
from sqlalchemy.orm import Session

from chassis.context import Context
from tests.example_services.proto.examples_pb2 import OrderPlaced
from tests.example_services.stock.tables import reservations


def reserve(session: Session, fact: OrderPlaced, _context: Context) -> None:
    """One row for each time this ran: a fact handled twice would show."""
    session.execute(insert(reservations).values(name=fact.name))
