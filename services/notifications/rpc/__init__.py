"""The gRPC servicer translates requests and results; a module for each part of the contract."""

from __future__ import annotations

from chassis.db import Database
from chassis.service import Resources
from rangkiang.notifications.v1.notifications_pb2_grpc import NotificationsServicer


class Notifications(NotificationsServicer):
    """The servicer of the whole contract."""

    def __init__(self, resources: Resources) -> None:
        self._database: Database = resources.database


def servicer(resources: Resources) -> Notifications:
    """Create the servicer of notifications."""
    return Notifications(resources)
