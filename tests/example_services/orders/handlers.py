"""The handler of ArticleReceived in orders."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chassis.bus.events import emit
from chassis.context import Context
from tests.example_services.orders.tables import faults, placed_orders
from tests.example_services.proto.examples_pb2 import ArticleReceived, OrderPlaced


def place_order(session: Session, event: ArticleReceived, context: Context) -> None:
    """Add one row for each call, so that tests see an event that is handled twice; refuse what is rotten.

    emits  OrderPlaced
    """
    session.execute(insert(placed_orders).values(name=event.name, institution=context.institution, actor=context.actor))
    emit(
        session,
        OrderPlaced(article_id=event.article_id, name=event.name),
        aggregate_id=event.article_id,
        version=event.version,
        context=context,
    )
    if event.name.startswith("rotten") or session.execute(select(faults.c.name)).first():
        raise RuntimeError("orders are broken")
