"""The handler of ArticleReceived in orders."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chassis.bus.events import emit
from chassis.context import Context
from tests.example_services.orders.tables import faults, placed_orders
from tests.example_services.proto.examples_pb2 import ArticleReceived, OrderPlaced


def place_order(session: Session, fact: ArticleReceived, context: Context) -> None:
    """Add one row for each call, so that tests see an event that is handled twice; refuse what is rotten.

    emits  OrderPlaced
    """
    session.execute(insert(placed_orders).values(name=fact.name, institution=context.institution, actor=context.actor))
    emit(
        session,
        OrderPlaced(article_id=fact.article_id, name=fact.name),
        aggregate_id=fact.article_id,
        version=fact.version,
        context=context,
    )
    if fact.name.startswith("rotten") or session.execute(select(faults.c.name)).first():
        raise RuntimeError("orders are broken")
