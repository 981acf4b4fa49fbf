"""The handler of OrderPlaced in stock."""

from __future__ import annotations

from sqlalchemy import insert
from sqlalchemy.orm import Session

from chassis.context import Context
from tests.example_services.proto.examples_pb2 import OrderPlaced
from tests.example_services.stock.tables import reservations


def reserve(session: Session, event: OrderPlaced, _context: Context) -> None:
    """Add one row for each call, so that tests see an event that is handled twice."""
    session.execute(insert(reservations).values(name=event.name))
