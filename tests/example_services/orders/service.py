"""The service of orders: handles ArticleReceived, emits OrderPlaced."""

from __future__ import annotations

from chassis.service import Consumer, Service
from tests.example_services.orders.tables import metadata
from tests.example_services.proto.examples_pb2 import ArticleReceived

SERVICE = Service(
    name="orders",
    tables=metadata,
    migrations="tests.example_services.orders.migrations",
    consumers=(
        Consumer(
            name="place_order", event=ArticleReceived, handler="tests.example_services.orders.handlers:place_order"
        ),
    ),
)
