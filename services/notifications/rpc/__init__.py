"""The gRPC servicer: it translates requests and results. Each part of the contract has a module."""

from __future__ import annotations

from chassis.audit.access_log import AccessLog
from chassis.database.db import Database
from chassis.service import Resources
from rangkiang.notifications.v1.notifications_pb2_grpc import NotificationsServicer
from services.notifications.channels.opening import open_own_channels
from services.notifications.rpc.choices import ChoiceMethods
from services.notifications.rpc.conversations import ConversationMethods
from services.notifications.rpc.devices import DeviceMethods
from services.notifications.rpc.ledger import LedgerMethods
from services.notifications.rpc.sending import ServiceOwners
from services.notifications.rpc.template_tests import TemplateTestMethods
from services.notifications.rpc.templates import TemplateMethods
from services.notifications.rpc.webhooks import WebhookMethods
from services.notifications.settings import NotificationsSettings


class Notifications(
    LedgerMethods,
    ChoiceMethods,
    DeviceMethods,
    TemplateMethods,
    TemplateTestMethods,
    ConversationMethods,
    WebhookMethods,
    NotificationsServicer,
):
    """The servicer of the whole contract."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._database: Database = resources.database
        self._access_log = AccessLog(resources.database)
        self._settings = resources.settings.of(NotificationsSettings)
        self.owners = ServiceOwners(resources)
        self.channels = open_own_channels(self._settings)


def servicer(resources: Resources) -> Notifications:
    """Create the servicer of notifications."""
    return Notifications(resources)
