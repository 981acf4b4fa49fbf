"""The kitchen: hears of jars, tells of meals."""

from __future__ import annotations

from chassis.service import Consumer, Service
from tests.toys.kitchen.tables import metadata
from tests.toys.proto.toys_pb2 import JarFilled

SERVICE = Service(
    name="kitchen",
    tables=metadata,
    migrations="tests.toys.kitchen.migrations",
    consumers=(Consumer(name="cook", event=JarFilled, handler="tests.toys.kitchen.handlers:cook"),),
)
