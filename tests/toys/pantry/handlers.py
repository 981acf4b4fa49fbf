"""What the kitchen's facts mean in the pantry."""

from __future__ import annotations

from sqlalchemy import insert
from sqlalchemy.orm import Session

from chassis.context import Context
from tests.toys.pantry.tables import uses
from tests.toys.proto.toys_pb2 import MealCooked


def use_up(session: Session, fact: MealCooked, _context: Context) -> None:
    """One row for each time this ran: a fact handled twice would show."""
    session.execute(insert(uses).values(name=fact.name))
