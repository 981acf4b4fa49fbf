"""Filling jars."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.events import emit
from chassis.ids import new_id
from tests.toys.pantry.tables import jars
from tests.toys.proto.toys_pb2 import JarFilled


def fill(session: Session, name: str, *, context: Context) -> UUID:
    """Put a jar into the pantry. Returns its event's id. Emits JarFilled."""
    jar = new_id()
    session.execute(insert(jars).values(id=jar, name=name))
    fact = JarFilled(jar_id=str(jar), name=name, version=1)
    return emit(session, fact, aggregate_id=jar, version=1, context=context)
