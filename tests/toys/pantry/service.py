"""The pantry: tells of jars, hears of meals."""

from __future__ import annotations

from chassis.service import Consumer, Service
from tests.toys.pantry.tables import metadata
from tests.toys.proto.toys_pb2 import MealCooked

SERVICE = Service(
    name="pantry",
    tables=metadata,
    migrations="tests.toys.pantry.migrations",
    consumers=(Consumer(name="use_up", event=MealCooked, handler="tests.toys.pantry.handlers:use_up"),),
)
