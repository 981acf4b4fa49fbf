"""What the pantry's facts mean in the kitchen."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.events import emit
from tests.toys.kitchen.tables import faults, meals
from tests.toys.proto.toys_pb2 import JarFilled, MealCooked


def cook(session: Session, fact: JarFilled, context: Context) -> None:
    """One row for each time this ran: a fact handled twice would show. Emits MealCooked."""
    session.execute(insert(meals).values(name=fact.name, institution=context.institution, actor=context.actor))
    emit(
        session,
        MealCooked(jar_id=fact.jar_id, name=fact.name),
        aggregate_id=fact.jar_id,
        version=fact.version,
        context=context,
    )
    if session.execute(select(faults.c.name)).first():
        raise RuntimeError("the stove is out")
