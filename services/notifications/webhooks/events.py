"""Kinds of events for partners, their scopes and their content. Ids of members only for clients that may read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.ids import new_id
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from services.notifications.tables import Webhook, WebhookEvent

MANAGE_SCOPE, MEMBERS_SCOPE = "webhooks.manage", "facts.members"
# Kind of events -> scope that a client needs.
SCOPES: Mapping[str, str] = {
    "loan.opened": "facts.loans",
    "loan.renewed": "facts.loans",
    "loan.returned": "facts.loans",
    "loan.overdue": "facts.loans",
    "member.registered": "facts.members",
}

PING = "ping"  # kind of a test event, which every webhook may get

_webhooks = Webhook.__table__.c
# Built once, because every event about a loan needs it, although most institutions have no webhooks.
_SUBSCRIBED = select(_webhooks.id, _webhooks.institution_id, _webhooks.kinds, _webhooks.with_members).where(
    _webhooks.institution_id.in_(bindparam("institutions", expanding=True)), _webhooks.state == "active"
)


def scopes_for(webhook: Webhook) -> set[str]:
    """Return the scopes that the maker of a webhook needs as long as it is active."""
    of_members = {MEMBERS_SCOPE} if webhook.with_members else set()
    return {MANAGE_SCOPE, *of_members, *(SCOPES[kind] for kind in webhook.kinds)}


@dataclass(frozen=True, slots=True)
class PartnerEvent:
    """An event for partners.

    facts      JSON values without data about members
    member_id  for partners with facts.members; None if the event is not about a member
    """

    kind: str
    institution_id: UUID
    facts: dict[str, Any]
    member_id: UUID | None


def queue_events(session: Session, events: Sequence[PartnerEvent]) -> None:
    """Queue each event for each webhook of its institution with this kind."""
    institutions = list({event.institution_id for event in events})
    webhooks = session.execute(_SUBSCRIBED, {"institutions": institutions}).all()
    now = clock.now()
    rows = [
        {
            "id": new_id(),
            "institution_id": event.institution_id,
            "webhook_id": webhook.id,
            "kind": event.kind,
            "facts": event.facts,
            "member_id": event.member_id if webhook.with_members else None,
            "occurred_at": now,
            "made_at": now,
            "delivered_at": None,
        }
        for event in events
        for webhook in webhooks
        if webhook.institution_id == event.institution_id and event.kind in webhook.kinds
    ]
    if rows:
        session.execute(insert(WebhookEvent), rows)


def loan_event(kind: str, loan: LoanCopy, **more: Any) -> PartnerEvent:
    """Return the event for partners about a loan.

    more  further values, without data about members
    """
    facts = {
        "loan_id": loan.loan_id,
        "item_id": loan.item_id,
        "barcode": loan.barcode or None,
        "title": loan.title or None,
        "branch_id": loan.branch_id,
        "due_on": loan.due_on,
        "version": loan.state_version,
        **more,
    }
    return PartnerEvent(kind, UUID(loan.institution_id), facts, UUID(loan.member_id) if loan.member_id else None)


def forget_member(session: Session, member_id: UUID) -> None:
    """Delete the events about an erased member, delivered or not."""
    session.execute(delete(WebhookEvent).where(WebhookEvent.member_id == member_id))
