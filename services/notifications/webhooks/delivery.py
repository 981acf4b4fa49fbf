"""Delivery of events to partners' systems: signed, in order, and at least once.

A webhook gets its events one after the other. After a failure it waits: 30 s, 1 min … 6 h. A day of failures or HTTP
status 410 disables it; its owner and staff see this, and a replay makes it active again. A webhook ends with the
account or client that made it, and with each scope that it needs: members is asked before each turn, because a token
that was issued before the end can still make a webhook after it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Error
from chassis.http.outgoing import OutgoingClient
from chassis.institutions import SANDBOX
from chassis.security.encryption import MasterKey
from services.notifications.institutions import full_codes
from services.notifications.tables import Institution, Webhook, WebhookEvent
from services.notifications.webhooks.events import PING, scopes_for

log = logging.getLogger(__name__)

DELIVERING = system("webhooks")
KEPT = timedelta(days=7)
GIVEN_UP_AFTER = timedelta(hours=24)
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=6)
# Most events of one webhook in a turn, so that a busy webhook does not delay others.
MOST_IN_TURN = 50
# After this time a turn starts no further request, so that a slow receiver does not delay others.
TURN_SECONDS = 10.0
MOST_ATTEMPTS = 20  # of an event; older attempts are not kept
SEALED_FOR = "webhook"
CONTACT = "webhook contact"
ACTIVE, DISABLED = "active", "disabled"
PAYLOAD_VERSION = 1  # grows when a field of an event changes or goes; new fields do not change it
MAKER_WITHOUT_SCOPES = "MAKER_WITHOUT_SCOPES"  # reason of a webhook that has ended with its maker

# Ids of makers -> id -> scopes; without those that have ended. Raises Unavailable or TooLate without an answer.
ReadScopes = Callable[[Collection[str]], Mapping[str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event with the body that is sent."""

    event_id: UUID
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """A webhook with events that may be sent now. A change of its version ends the turn."""

    webhook_id: UUID
    version: int
    is_sandbox: bool
    url: str
    secrets: tuple[bytes, ...]
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to deliver an event.

    status  HTTP status; 0 without a reply
    reason  reason code; "" if it was delivered
    """

    at: datetime
    status: int
    milliseconds: int
    reason: str


@dataclass(frozen=True, slots=True)
class Disabled:
    """A webhook that was disabled, for a message to its owner."""

    webhook_id: UUID
    url: str
    contact: str
    reason: str


def signature_of(secrets: Sequence[bytes], body: bytes, at: datetime) -> str:
    """Return the header Rangkiang-Signature: the time of sending, and the HMAC-SHA-256 of time, dot and body.

    secrets  the current key, and the former one as long as it is valid: one `v1` for each
    """
    seconds = str(int(at.timestamp()))
    signed = seconds.encode() + b"." + body
    return ",".join(
        [f"t={seconds}", *(f"v1={hmac.new(secret, signed, hashlib.sha256).hexdigest()}" for secret in secrets)]
    )


def run_round(
    database: Database, master: MasterKey, client: OutgoingClient, read_scopes: ReadScopes, *,
    notify: Callable[[Disabled], None] | None = None,
) -> int:  # fmt: skip
    """Send waiting events, with one turn for each webhook. Returns the number of delivered events.

    notify  called for each webhook that this round has disabled, if its owner has an address
    raises  the errors of `read_scopes`; then the remaining webhooks wait
    """
    with database.reading(DELIVERING) as session:
        turns = _find_turns(session, master, clock.now())
    disabled: list[Disabled] = []
    count = 0
    try:
        for turn in turns:
            if not end_without_scopes(database, read_scopes, webhook_id=turn.webhook_id):
                count += _take_turn(database, master, client, turn, disabled)
    finally:
        for webhook in disabled:
            if notify is not None:
                notify(webhook)
    return count


def end_without_scopes(database: Database, read_scopes: ReadScopes, *, webhook_id: UUID | None = None) -> int:
    """End webhooks whose maker has ended or lacks a scope, and delete what waits for them. Returns their number.

    webhook_id  only this webhook; None for all
    """
    query = select(Webhook).where(Webhook.reason != MAKER_WITHOUT_SCOPES)
    with database.reading(DELIVERING) as session:
        rows = session.scalars(query.where(Webhook.id == webhook_id) if webhook_id is not None else query).all()
    held = read_scopes({row.client_id for row in rows}) if rows else {}
    ended = [row for row in rows if not scopes_for(row) <= held.get(row.client_id, frozenset())]
    for row in ended:
        with database.transaction(DELIVERING) as session:
            # Not if another member of staff has become its maker meanwhile.
            still = update(Webhook).where(Webhook.id == row.id, Webhook.client_id == row.client_id)
            values: dict[str, Any] = {"state": DISABLED, "reason": MAKER_WITHOUT_SCOPES, "changed_at": clock.now()}
            session.execute(still.values(**values, version=Webhook.version + 1))
            waits = (WebhookEvent.webhook_id == row.id, WebhookEvent.delivered_at.is_(None))
            session.execute(delete(WebhookEvent).where(*waits))
            own, facts = replace(DELIVERING, institution=str(row.institution_id)), {"maker": row.client_id}
            audit.record(session, own, "notifications.end_webhook", kind="webhook", object_id=row.id, facts=facts)
        log.warning("webhook_ended", extra={"webhook": str(row.id)})
    return len(ended)


def delete_old(session: Session) -> None:
    """Delete events that are older than 7 days, delivered or not."""
    session.execute(delete(WebhookEvent).where(WebhookEvent.made_at < clock.now() - KEPT))


def _find_turns(session: Session, master: MasterKey, now: datetime) -> list[Turn]:
    waits = exists().where(WebhookEvent.webhook_id == Webhook.id, WebhookEvent.delivered_at.is_(None))
    query = select(Webhook).where(Webhook.state == ACTIVE, Webhook.next_at <= now, waits).order_by(Webhook.next_at)
    webhooks = session.scalars(query).all()
    branches = full_codes(session) if webhooks else {}
    of_sandbox = select(Institution.id).where(Institution.code.startswith(SANDBOX, autoescape=True))
    sandboxes = set(session.scalars(of_sandbox)) if webhooks else set()
    turns = []
    for webhook in webhooks:
        waiting = (
            select(WebhookEvent)
            .where(WebhookEvent.webhook_id == webhook.id, WebhookEvent.delivered_at.is_(None))
            .order_by(WebhookEvent.id)
            .limit(MOST_IN_TURN)
        )
        deliveries = tuple(
            Delivery(event.id, event.kind, body_of(event, branches)) for event in session.scalars(waiting)
        )
        secrets = [master.open(webhook.sealed_secret, use=SEALED_FOR)]
        if webhook.sealed_former_secret is not None and (webhook.former_secret_until or now) > now:
            secrets.append(master.open(webhook.sealed_former_secret, use=SEALED_FOR))
        is_sandbox = webhook.institution_id in sandboxes
        turns.append(Turn(webhook.id, webhook.version, is_sandbox, webhook.url, tuple(secrets), deliveries))
    return turns


def body_of(event: WebhookEvent, branches: Mapping[str, str]) -> bytes:
    """Return the body of an event: compact JSON.

    branches  id -> full code
    """
    facts = dict(event.facts)
    if "branch_id" in facts:
        facts["branch"] = branches.get(facts.pop("branch_id"))
    document: dict[str, Any] = {
        "payload_version": PAYLOAD_VERSION,
        "id": str(event.id),
        "kind": event.kind,
        "institution_id": str(event.institution_id),
        "occurred_at": clock.utc_text(event.occurred_at, "auto"),
        "facts": facts,
    }
    if event.member_id is not None:
        document["member_id"] = str(event.member_id)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _take_turn(
    database: Database, master: MasterKey, client: OutgoingClient, turn: Turn, disabled: list[Disabled]
) -> int:
    count, until = 0, time.monotonic() + TURN_SECONDS
    with database.reading(DELIVERING) as session:
        if session.scalar(select(Webhook.version).where(Webhook.id == turn.webhook_id)) != turn.version:
            return 0
    for delivery in turn.deliveries:
        if count and time.monotonic() >= until:
            break
        attempt = _send(client, turn, delivery)
        with database.transaction(DELIVERING) as session:
            _store_attempt(session, delivery.event_id, attempt)
            if attempt.reason:
                contact = _store_failure(session, turn, attempt.reason)
                # A sandbox or a test must not send mail to anybody.
                if contact is not None and not turn.is_sandbox and delivery.kind != PING:
                    address = master.open(contact, use=CONTACT).decode()
                    disabled.append(Disabled(turn.webhook_id, turn.url, address, attempt.reason))
                break
            goes_on = _store_delivery(session, turn, delivery.event_id)
        count += 1
        if not goes_on:
            break
    return count


def _send(client: OutgoingClient, turn: Turn, delivery: Delivery) -> Attempt:
    """Send one event."""
    at, start = clock.now(), time.monotonic()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Rangkiang",
        # The same in every attempt, so that a partner can ignore a repeated event.
        "Rangkiang-Delivery": str(delivery.event_id),
        "Rangkiang-Signature": signature_of(turn.secrets, delivery.body, at),
    }
    status = 0
    try:
        status = client.request("POST", turn.url, content=delivery.body, headers=headers).status
        reason = "" if 200 <= status < 300 else f"HTTP_{status}"
    except Error as problem:
        # One reason for both, which the partner reads: see OutgoingClient.check.
        reason = "OUTGOING_ADDRESS_REFUSED" if problem.reason == "HOST_NOT_RESOLVED" else problem.reason
    return Attempt(at, status, round(1_000 * (time.monotonic() - start)), reason)


def _store_attempt(session: Session, event_id: UUID, attempt: Attempt) -> None:
    event = session.get(WebhookEvent, event_id, with_for_update=True)
    if event is not None:
        stored = asdict(attempt) | {"at": attempt.at.isoformat()}
        event.attempts = [*(event.attempts or ()), stored][-MOST_ATTEMPTS:]


def _store_delivery(session: Session, turn: Turn, event_id: UUID) -> bool:
    """Store that an event was delivered. Returns False if the webhook was changed or deleted; then its turn ends."""
    now = clock.now()
    session.execute(update(WebhookEvent).where(WebhookEvent.id == event_id).values(delivered_at=now))
    well = {"failures": 0, "failing_since": None, "reason": "", "last_delivered_at": now}
    is_active = update(Webhook).where(Webhook.id == turn.webhook_id, Webhook.state == ACTIVE)
    return session.scalar(is_active.values(**well).returning(Webhook.version)) == turn.version


def _store_failure(session: Session, turn: Turn, reason: str) -> bytes | None:
    """Postpone the webhook, or disable it, unless it was changed meanwhile.

    Returns the sealed address of its owner if it is disabled now, else None.
    """
    now = clock.now()
    webhook = session.scalar(select(Webhook).where(Webhook.id == turn.webhook_id).with_for_update())
    if webhook is None or webhook.state != ACTIVE or webhook.version != turn.version:
        return None
    webhook.failures += 1
    webhook.reason = reason
    webhook.failing_since = webhook.failing_since or now
    webhook.next_at = now + min(FIRST_PAUSE * 2 ** min(webhook.failures - 1, 20), LONGEST_PAUSE)
    if reason == "HTTP_410" or now - webhook.failing_since >= GIVEN_UP_AFTER:
        webhook.state, webhook.version, webhook.changed_at = DISABLED, webhook.version + 1, now
        log.warning("webhook_disabled", extra={"webhook": str(turn.webhook_id), "reason": reason})
        return webhook.sealed_contact
    return None


def count_waiting(session: Session, webhook_ids: list[UUID]) -> dict[UUID, int]:
    """Return webhook -> number of waiting events."""
    query = select(WebhookEvent.webhook_id, func.count()).where(
        WebhookEvent.webhook_id.in_(webhook_ids), WebhookEvent.delivered_at.is_(None)
    )
    return {row[0]: row[1] for row in session.execute(query.group_by(WebhookEvent.webhook_id))}
