"""RPCs with which partners and staff manage webhooks, and the job that delivers events to them."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime
from functools import partial

import grpc
from sqlalchemy.orm import Session

from chassis import audit, clock, rpc
from chassis.addresses import networks
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.idempotency import once
from chassis.http.outgoing import OutgoingClient
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes_once
from chassis.security.encryption import MasterKey
from chassis.sentences import sentence
from chassis.service import Resources
from rangkiang.notifications.v1 import webhooks_pb2 as wire
from services.notifications.channels.opening import open_own_channels
from services.notifications.channels.port import Message, send_and_wait
from services.notifications.institutions import own_zone
from services.notifications.keys import read_own_master
from services.notifications.rpc.rounds import run_rounds
from services.notifications.rpc.sending import ServiceOwners
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Webhook, WebhookEvent
from services.notifications.webhooks import delivery, subscriptions
from services.notifications.webhooks.events import SCOPES

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5
USUAL_DELIVERIES, MOST_DELIVERIES = 50, 200
CLEANING_SECONDS = 3_600.0
# Before each turn too; this is for webhooks for which nothing waits.
CHECK_SECONDS = 60.0


class WebhookMethods:
    """The part of the servicer for partners' systems."""

    _database: Database
    _resources: Resources

    def CreateWebhook(
        self, request: wire.CreateWebhookRequest, context: grpc.ServicerContext
    ) -> wire.CreateWebhookReply:
        caller = rpc.context(context)
        own = self._resources.settings.of(NotificationsSettings)
        subscriptions.check_request(request.url, list(request.kinds), caller.scopes, _client(own))
        master = read_own_master(self._resources.database, own.master_key)
        with self._database.transaction(caller) as session:

            def act() -> wire.CreateWebhookReply:
                row, secret = subscriptions.create(
                    session, master, caller, url=request.url, kinds=list(request.kinds), contact=request.contact
                )
                facts = {"kinds": ", ".join(row.kinds), "with_members": row.with_members}
                audit.record(
                    session, caller, "notifications.create_webhook", kind="webhook", object_id=row.id, facts=facts
                )
                return wire.CreateWebhookReply(webhook=_webhook(row), secret=secret)

            # The reply with its secret is not stored, so a repeated request is refused.
            return once(session, caller, request, wire.CreateWebhookReply, act, keep_reply=False)

    @reads
    def ListWebhooks(
        self, _request: wire.ListWebhooksRequest, session: Session, caller: Context
    ) -> wire.ListWebhooksReply:
        rows = subscriptions.list_own(session, caller)
        waiting = delivery.count_waiting(session, [row.id for row in rows])
        zone = own_zone(session, parse_id(caller.institution))
        listed = [_webhook(row, waiting.get(row.id, 0)) for row in rows]
        kinds = [kind for kind, scope in SCOPES.items() if scope in caller.scopes]
        return wire.ListWebhooksReply(webhooks=listed, kinds=kinds, zone=zone)

    @reads
    def ListDeliveries(
        self, request: wire.ListDeliveriesRequest, session: Session, caller: Context
    ) -> wire.ListDeliveriesReply:
        limit = min(max(0, request.limit) or USUAL_DELIVERIES, MOST_DELIVERIES)
        row = subscriptions.find_own(session, caller, request.id, locks=False)
        events, cursor = subscriptions.list_deliveries(session, row, limit=limit, cursor=request.cursor)
        waiting = delivery.count_waiting(session, [row.id])
        return wire.ListDeliveriesReply(
            webhook=_webhook(row, waiting.get(row.id, 0)),
            deliveries=[_delivery(event) for event in events],
            cursor=cursor,
            zone=own_zone(session, parse_id(caller.institution)),
        )

    @reads
    def GetWebhook(self, request: wire.GetWebhookRequest, session: Session, caller: Context) -> wire.GetWebhookReply:
        row = subscriptions.find_own(session, caller, request.id, locks=False)
        waiting = delivery.count_waiting(session, [row.id])
        return wire.GetWebhookReply(webhook=_webhook(row, waiting.get(row.id, 0)))

    def ChangeWebhook(
        self, request: wire.ChangeWebhookRequest, context: grpc.ServicerContext
    ) -> wire.ChangeWebhookReply:
        caller = rpc.context(context)
        master = self._master_for(caller, request.id)
        if request.HasField("url"):
            subscriptions.check_url(request.url, _client(self._resources.settings.of(NotificationsSettings)))
        with self._database.transaction(caller) as session:
            row = subscriptions.find_own(session, caller, request.id)
            changed = subscriptions.change(
                session, master, caller, row, version=request.version,
                url=request.url if request.HasField("url") else None,
                kinds=list(request.kinds) or None,
                contact=request.contact if request.HasField("contact") else None,
                is_active=request.is_active if request.HasField("is_active") else None,
            )  # fmt: skip
            audit.record(
                session, caller, "notifications.change_webhook", kind="webhook", object_id=row.id,
                facts={"fields": ", ".join(changed)},
            )  # fmt: skip
            waiting = delivery.count_waiting(session, [row.id])
            return wire.ChangeWebhookReply(webhook=_webhook(row, waiting.get(row.id, 0)))

    def ChangeWebhookSecret(
        self, request: wire.ChangeWebhookSecretRequest, context: grpc.ServicerContext
    ) -> wire.ChangeWebhookSecretReply:
        caller = rpc.context(context)
        master = self._master_for(caller, request.id)
        with self._database.transaction(caller) as session:

            def act() -> wire.ChangeWebhookSecretReply:
                row = subscriptions.find_own(session, caller, request.id)
                secret = subscriptions.change_secret(master, caller, row)
                audit.record(session, caller, "notifications.change_webhook_secret", kind="webhook", object_id=row.id)
                until, zone = timestamp(row.former_secret_until), own_zone(session, row.institution_id)
                return wire.ChangeWebhookSecretReply(
                    secret=secret, former_until=until, webhook=_webhook(row), zone=zone
                )

            # As for a new webhook, the reply with its secret is not stored.
            return once(session, caller, request, wire.ChangeWebhookSecretReply, act, keep_reply=False)

    def _master_for(self, caller: Context, webhook_id: str) -> MasterKey:
        """Return the master key for a webhook that the caller may manage. Raises NotFound WEBHOOK_UNKNOWN."""
        with self._database.reading(caller) as session:
            subscriptions.find_own(session, caller, webhook_id, locks=False)
        own = self._resources.settings.of(NotificationsSettings)
        return read_own_master(self._resources.database, own.master_key)

    @writes_once
    def PingWebhook(self, request: wire.PingWebhookRequest, session: Session, caller: Context) -> wire.PingWebhookReply:
        row = subscriptions.find_own(session, caller, request.id)
        event = subscriptions.ping(session, row)
        audit.record(session, caller, "notifications.ping_webhook", kind="webhook", object_id=row.id)
        return wire.PingWebhookReply(delivery=_delivery(event))

    @writes_once
    def DeleteWebhook(
        self, request: wire.DeleteWebhookRequest, session: Session, caller: Context
    ) -> wire.DeleteWebhookReply:
        row = subscriptions.find_own(session, caller, request.id)
        audit.record(session, caller, "notifications.delete_webhook", kind="webhook", object_id=row.id)
        subscriptions.remove(session, row)
        return wire.DeleteWebhookReply()

    @writes_once
    def ReplayWebhook(
        self, request: wire.ReplayWebhookRequest, session: Session, caller: Context
    ) -> wire.ReplayWebhookReply:
        row = subscriptions.find_own(session, caller, request.id)
        count = subscriptions.replay(session, caller, row, request.cursor)
        audit.record(
            session, caller, "notifications.replay_webhook", kind="webhook", object_id=row.id,
            facts={"count": count},
        )  # fmt: skip
        return wire.ReplayWebhookReply(webhook=_webhook(row), count=count)


def deliver_events(resources: Resources, stop: threading.Event) -> None:
    """Send events to partners' systems until `stop`. While members does not answer, they wait."""
    own, database = resources.settings.of(NotificationsSettings), resources.database
    client, read_scopes = _client(own), ServiceOwners(resources).scopes
    checked_at = cleaned_at = float("-inf")

    def run_round() -> float:
        nonlocal checked_at, cleaned_at
        master = read_own_master(database, own.master_key)
        if time.monotonic() - checked_at > CHECK_SECONDS:
            delivery.end_without_scopes(database, read_scopes)
            checked_at = time.monotonic()
        count = delivery.run_round(database, master, client, read_scopes, notify=partial(notify_owner, own))
        if time.monotonic() - cleaned_at > CLEANING_SECONDS:
            with database.transaction(delivery.DELIVERING) as session:
                delivery.delete_old(session)
            cleaned_at = time.monotonic()
        return 0.0 if count else PAUSE_SECONDS

    run_rounds(stop, run_round, log_event="webhooks_wait")


def notify_owner(own: NotificationsSettings, webhook: delivery.Disabled) -> None:
    """Send a mail to the owner of a disabled webhook over the first mail channel. Doctor reports the webhook too."""
    channels = open_own_channels(own)
    mail = next((channel for channel in channels if channel.address_kind == "email"), None)
    if mail is not None:
        subject = sentence("WEBHOOK_DISABLED_SUBJECT")
        text = sentence("WEBHOOK_DISABLED_TEXT", id=str(webhook.webhook_id), url=webhook.url, why=webhook.reason)
        message = Message(
            id=f"{webhook.webhook_id}-{int(clock.now().timestamp())}",
            kind="webhook_disabled",
            address=webhook.contact,
            language="id",
            subject=f"{subject.id} / {subject.en}",
            text=f"{text.id}\n\n{text.en}",
        )
        state = send_and_wait(mail, message).state
        log.info("webhook_owner_notified", extra={"webhook": str(webhook.webhook_id), "state": state})
    for channel in channels:
        channel.close()


def _client(own: NotificationsSettings) -> OutgoingClient:
    return OutgoingClient(allowed=networks(own.outgoing_private_networks), total_seconds=10.0, most_bytes=4_096)


def _delivery(event: WebhookEvent) -> wire.Delivery:
    return wire.Delivery(
        id=str(event.id),
        kind=event.kind,
        occurred_at=timestamp(event.occurred_at),
        delivered_at=timestamp(event.delivered_at),
        attempts=[
            wire.DeliveryAttempt(
                at=timestamp(datetime.fromisoformat(attempt["at"])),
                status=attempt["status"] or None,
                milliseconds=attempt["milliseconds"],
                reason=attempt["reason"],
            )
            for attempt in event.attempts or ()
        ],
    )


def _webhook(row: Webhook, waiting: int = 0) -> wire.Webhook:
    return wire.Webhook(
        id=str(row.id),
        client_id=row.client_id,
        url=row.url,
        kinds=row.kinds,
        with_members=row.with_members,
        state=row.state,
        reason=row.reason,
        failures=row.failures,
        waiting=waiting,
        made_by_staff=bool(row.made_by_staff),
        made_at=timestamp(row.made_at),
        last_delivered_at=timestamp(row.last_delivered_at),
        failing_since=timestamp(row.failing_since),
        next_at=timestamp(row.next_at),
        version=row.version,
        former_secret_until=timestamp(row.former_secret_until),
    )
