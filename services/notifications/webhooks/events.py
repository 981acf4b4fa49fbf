"""Kinds of events for partners, their scopes and their content. Ids of members only for clients that may read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.cursors import write_cursor
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import RecordChangesNumbered
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
    "records.changed": "facts.records",
    "records.deleted": "facts.records",
}

MOST_RECORDS = 100  # in an event of records, so that an import does not send a request for each record
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


def record_events(event: RecordChangesNumbered) -> list[PartnerEvent]:
    """Return the events for partners about changed and about deleted records, each of at most MOST_RECORDS.

    `cursor` is of GET /changes, and finds the changes of the event and all later ones.
    """
    events = []
    for kind, is_deleted in (("records.changed", False), ("records.deleted", True)):
        records = [record for record in event.records if record.is_deleted == is_deleted]
        for start in range(0, len(records), MOST_RECORDS):
            some = records[start : start + MOST_RECORDS]
            facts = {
                "institution": event.institution,
                "cursor": write_cursor("changes", event.epoch, some[0].change_number - 1),
                "records": [
                    {
                        "id": record.id,
                        "version": record.version,
                        "change_number": record.change_number,
                        "title": record.title or None,
                    }
                    for record in some
                ],
            }
            events.append(PartnerEvent(kind, UUID(event.institution_id), facts, None))
    return events


def forget_member(session: Session, member_id: UUID) -> None:
    """Delete the events about an erased member, delivered or not."""
    session.execute(delete(WebhookEvent).where(WebhookEvent.member_id == member_id))
