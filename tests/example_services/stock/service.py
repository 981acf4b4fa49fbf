"""The service of stock: emits ArticleReceived, handles OrderPlaced."""

from __future__ import annotations

from chassis.service import Consumer, Service
from tests.example_services.proto.examples_pb2 import OrderPlaced
from tests.example_services.stock.tables import metadata

SERVICE = Service(
    name="stock",
    tables=metadata,
    migrations="tests.example_services.stock.migrations",
    consumers=(Consumer(name="reserve", event=OrderPlaced, handler="tests.example_services.stock.handlers:reserve"),),
)
