"""Subscriptions of partners: creation, lists, changes, pings, replays and deletion."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Forbidden, Invalid, NotFound, Outdated, Refused
from chassis.http.outgoing import OutgoingClient
from chassis.ids import new_id, parse_id, parse_or_nil
from chassis.security.encryption import MasterKey
from services.notifications.channels.mail import parse_address
from services.notifications.tables import Webhook, WebhookEvent
from services.notifications.webhooks.delivery import ACTIVE, CONTACT, DISABLED, MAKER_WITHOUT_SCOPES, SEALED_FOR
from services.notifications.webhooks.events import MEMBERS_SCOPE, PING, SCOPES, scopes_for

MOST_WEBHOOKS = 10  # of one client
LONGEST_URL = 1_000
FORMER_SECRET_KEPT = timedelta(days=1)
STOPPED = "STOPPED"  # reason of a webhook that its owner has disabled
# Staff with this scope see the webhooks of every client; clients see only their own.
STAFF_SCOPE = "reports.read"


def check_request(url: str, kinds: Sequence[str], scopes: Collection[str], client: OutgoingClient) -> None:
    """Check a request for a webhook, with a DNS query for its host, so not within a transaction.

    raises  Invalid    WEBHOOK_KINDS_INVALID, OUTGOING_URL_INVALID
            Forbidden  WEBHOOK_SCOPE_MISSING
            Refused    OUTGOING_ADDRESS_REFUSED, OUTGOING_NEEDS_HTTPS
    """
    _check_kinds(kinds, scopes)
    check_url(url, client)


def check_url(url: str, client: OutgoingClient) -> None:
    """Check the URL of a webhook, with a DNS query for its host, so not within a transaction.

    raises  Invalid  OUTGOING_URL_INVALID
            Refused  OUTGOING_ADDRESS_REFUSED, OUTGOING_NEEDS_HTTPS
    """
    if len(url) > LONGEST_URL:
        raise Invalid("OUTGOING_URL_INVALID", url=url[:100])
    client.check(url)


def _check_kinds(kinds: Collection[str], scopes: Collection[str]) -> None:
    if not kinds or set(kinds) - set(SCOPES):
        raise Invalid("WEBHOOK_KINDS_INVALID", known=[*SCOPES])
    _check_scopes({SCOPES[kind] for kind in kinds}, scopes)


def _check_scopes(needed: Collection[str], scopes: Collection[str]) -> None:
    if missing := sorted(set(needed) - set(scopes)):
        raise Forbidden("WEBHOOK_SCOPE_MISSING", scopes=[*missing])


def _sealed_contact(master: MasterKey, contact: str) -> bytes | None:
    address = parse_address(contact) if contact else None
    if contact and address is None:
        raise Invalid("WEBHOOK_CONTACT_INVALID")
    return master.seal(str(address).encode(), use=CONTACT) if address else None


def create(
    session: Session, master: MasterKey, caller: Context, *, url: str, kinds: Sequence[str], contact: str = ""
) -> tuple[Webhook, str]:
    """Add a subscription; return it with its secret, which is shown only once.

    contact  e-mail address that is notified when the webhook is disabled; "" for none
    raises   Refused  WEBHOOK_LIMIT_REACHED
             Invalid  WEBHOOK_CONTACT_INVALID
    """
    sealed_contact = _sealed_contact(master, contact)
    # A client's session id equals its id; staff have another session each time.
    of_client = Webhook.client_id == caller.actor
    if (session.scalar(select(func.count()).select_from(Webhook).where(of_client)) or 0) >= MOST_WEBHOOKS:
        raise Refused("WEBHOOK_LIMIT_REACHED", most=MOST_WEBHOOKS)
    secret = _new_secret()
    now = clock.now()
    row = Webhook(
        id=new_id(),
        institution_id=parse_id(caller.institution),
        client_id=caller.actor,
        made_by_staff=caller.actor != caller.session,
        url=url,
        kinds=sorted(set(kinds)),
        with_members=MEMBERS_SCOPE in caller.scopes,
        sealed_secret=master.seal(secret.encode(), use=SEALED_FOR),
        sealed_contact=sealed_contact,
        state=ACTIVE,
        reason="",
        failures=0,
        failing_since=None,
        next_at=now,
        last_delivered_at=None,
        made_at=now,
    )
    session.add(row)
    session.flush()
    return row, secret


def list_own(session: Session, caller: Context) -> list[Webhook]:
    """Return the caller's webhooks; for staff all webhooks of the institution."""
    query = select(Webhook).order_by(Webhook.made_at)
    if STAFF_SCOPE not in caller.scopes:
        query = query.where(Webhook.client_id == caller.actor)
    return list(session.scalars(query))


def find_own(session: Session, caller: Context, webhook_id: str, *, locks: bool = True) -> Webhook:
    """Return a webhook that the caller may manage, locked unless it is only read. Raises NotFound WEBHOOK_UNKNOWN."""
    query = select(Webhook).where(Webhook.id == parse_or_nil(webhook_id))
    row = session.scalar(query.with_for_update() if locks else query)
    if row is None or (STAFF_SCOPE not in caller.scopes and row.client_id != caller.actor):
        raise NotFound("WEBHOOK_UNKNOWN", id=webhook_id[:64])
    return row


def _new_secret() -> str:
    return "rkwh_" + secrets.token_urlsafe(32)


def change(
    session: Session, master: MasterKey, caller: Context, row: Webhook, *, version: int, url: str | None,
    kinds: Sequence[str] | None, contact: str | None, is_active: bool | None,
) -> list[str]:  # fmt: skip
    """Change a webhook. Events that happen while it is not active are not kept for it. Returns the changed fields.

    Whoever changes the URL or contact, or activates it, needs each of its scopes; who is not its maker adds none to it.

    url, kinds, contact, is_active  None for no change
    version  the version that the caller has read
    raises   Outdated   VERSION_OUTDATED
             Invalid    WEBHOOK_KINDS_INVALID, WEBHOOK_CONTACT_INVALID
             Forbidden  WEBHOOK_SCOPE_MISSING
             Refused    WEBHOOK_ENDED
    """
    given = {"url": url, "kinds": kinds, "contact": contact, "is_active": is_active}
    fields = [name for name, value in given.items() if value is not None]
    if row.version != version:
        raise Outdated.at_version(row.version, given=version, changed=fields, changed_at=row.changed_at or row.made_at)
    if url is not None or contact is not None:
        _check_scopes(scopes_for(row), caller.scopes)
    if url is not None:
        row.url = url
    if kinds is not None:
        _check_kinds(kinds, caller.scopes if row.client_id == caller.actor else caller.scopes & scopes_for(row))
        row.kinds = sorted(set(kinds))
    if contact is not None:
        row.sealed_contact = _sealed_contact(master, contact)
    if is_active:
        _activate(caller, row)
    elif is_active is False and row.reason != MAKER_WITHOUT_SCOPES:
        row.state, row.reason = DISABLED, STOPPED
    row.version, row.changed_at = row.version + 1, clock.now()
    session.flush()
    return fields


def change_secret(master: MasterKey, caller: Context, row: Webhook) -> str:
    """Give a webhook another secret. Returns it; the former one is valid for a day.

    raises  Forbidden  WEBHOOK_SCOPE_MISSING  the caller needs each scope of the webhook
    """
    _check_scopes(scopes_for(row), caller.scopes)
    secret, now = _new_secret(), clock.now()
    row.sealed_former_secret, row.former_secret_until = row.sealed_secret, now + FORMER_SECRET_KEPT
    row.sealed_secret = master.seal(secret.encode(), use=SEALED_FOR)
    row.version, row.changed_at = row.version + 1, now
    return secret


def ping(session: Session, row: Webhook) -> WebhookEvent:
    """Queue an event without facts for a webhook. Raises Refused WEBHOOK_DISABLED, WEBHOOK_PING_WAITS."""
    if row.state != ACTIVE:
        raise Refused("WEBHOOK_DISABLED", id=str(row.id))
    waits = (WebhookEvent.webhook_id == row.id, WebhookEvent.kind == PING, WebhookEvent.delivered_at.is_(None))
    if session.scalar(select(WebhookEvent.id).where(*waits).limit(1)) is not None:
        raise Refused("WEBHOOK_PING_WAITS", id=str(row.id))
    now = clock.now()
    event = WebhookEvent(
        id=new_id(), institution_id=row.institution_id, webhook_id=row.id, kind=PING, facts={}, member_id=None,
        occurred_at=now, made_at=now, delivered_at=None,
    )  # fmt: skip
    session.add(event)
    return event


def list_deliveries(session: Session, row: Webhook, *, limit: int, cursor: str) -> tuple[list[WebhookEvent], str]:
    """Return the events for a webhook, the newest first, and the cursor of the next page; "" on the last page.

    raises  Invalid  CURSOR_INVALID
    """
    query = select(WebhookEvent).where(WebhookEvent.webhook_id == row.id)
    if cursor:
        (before,) = read_cursor(cursor, "deliveries", UUID)
        query = query.where(WebhookEvent.id < before)
    events = list(session.scalars(query.order_by(WebhookEvent.id.desc()).limit(limit + 1)))
    return events[:limit], write_cursor("deliveries", events[limit - 1].id) if len(events) > limit else ""


def remove(session: Session, row: Webhook) -> None:
    """Delete a webhook and its events."""
    session.execute(delete(WebhookEvent).where(WebhookEvent.webhook_id == row.id))
    session.delete(row)


def replay(session: Session, caller: Context, row: Webhook, cursor: str) -> int:
    """Make a webhook active, and queue delivered events from the cursor on again. Returns the number of these events.

    A member of staff who replays a webhook of staff that has ended with its maker becomes its maker.

    cursor  id of an event; "" for none
    raises  NotFound   WEBHOOK_CURSOR_UNKNOWN  the event is older than 7 days, or belongs to another webhook
            Refused    WEBHOOK_ENDED  it has ended with the client that made it
            Forbidden  WEBHOOK_SCOPE_MISSING
    """
    _activate(caller, row)
    row.version, row.changed_at = row.version + 1, clock.now()
    if not cursor:
        return 0
    of_webhook = WebhookEvent.webhook_id == row.id
    first = parse_or_nil(cursor)
    if session.scalar(select(WebhookEvent.id).where(of_webhook, WebhookEvent.id == first)) is None:
        raise NotFound("WEBHOOK_CURSOR_UNKNOWN", id=cursor)
    again = update(WebhookEvent).where(of_webhook, WebhookEvent.id >= first, WebhookEvent.delivered_at.is_not(None))
    return session.execute(again.values(delivered_at=None)).rowcount  # type: ignore[attr-defined, no-any-return]


def _activate(caller: Context, row: Webhook) -> None:
    is_ended = row.reason == MAKER_WITHOUT_SCOPES
    if is_ended and (not row.made_by_staff or caller.actor == caller.session):
        raise Refused("WEBHOOK_ENDED")
    _check_scopes(scopes_for(row), caller.scopes)
    if is_ended:
        row.client_id = caller.actor
    row.state, row.reason, row.failures, row.failing_since, row.next_at = ACTIVE, "", 0, None, clock.now()
