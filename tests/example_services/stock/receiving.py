"""Receive articles into the stock."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from chassis.bus.events import emit
from chassis.context import Context
from chassis.ids import new_id
from tests.example_services.proto.examples_pb2 import ArticleReceived
from tests.example_services.stock.tables import articles


def receive(session: Session, name: str, *, context: Context) -> UUID:
    """Add an article to the stock. Returns its event's id. Emits ArticleReceived."""
    article = new_id()
    session.execute(insert(articles).values(id=article, name=name))
    event = ArticleReceived(article_id=str(article), name=name, version=1)
    return emit(session, event, aggregate_id=article, version=1, context=context)
