"""Which facts partners may have, the scope of each, and what a fact says; with ids of members only where allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.ids import new_id
from chassis.prepared import Prepared
from rangkiang.circulation.v1.events_pb2 import LoanFact
from services.notifications.tables import Webhook, WebhookFact

MEMBERS_SCOPE = "members.read"
# By kind: the scope that a client needs to have its facts.
SCOPES: Mapping[str, str] = {
    "loan.opened": "facts.loans",
    "loan.renewed": "facts.loans",
    "loan.returned": "facts.loans",
    "loan.overdue": "facts.loans",
    "member.registered": "facts.members",
}

_webhooks = Webhook.__table__
# Most institutions have none, and every fact of a loan asks.
_SUBSCRIBED = Prepared(
    select(_webhooks.c.id, _webhooks.c.kinds, _webhooks.c.with_members).where(
        _webhooks.c.institution_id == bindparam("institution"), _webhooks.c.state == "active"
    )
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact for partners.

    facts      JSON without members
    member_id  None when it is about none
    """

    kind: str
    institution_id: UUID
    facts: dict[str, Any]
    member_id: UUID | None


def note_fact(session: Session, fact: Fact) -> int:
    """Add a fact to what waits for each webhook of its institution. Returns their number."""
    now = clock.now()
    rows = [
        {
            "id": new_id(),
            "institution_id": fact.institution_id,
            "webhook_id": webhook.id,
            "kind": fact.kind,
            "facts": fact.facts,
            "member_id": fact.member_id if webhook.with_members else None,
            "occurred_at": now,
            "made_at": now,
            "delivered_at": None,
        }
        for webhook in _SUBSCRIBED.rows(session, {"institution": fact.institution_id})
        if fact.kind in webhook.kinds
    ]
    if rows:
        session.execute(insert(WebhookFact), rows)
    return len(rows)


def note_loan(session: Session, kind: str, loan: LoanFact, **more: Any) -> None:
    """Note a fact about a loan.

    more  further facts, without members
    """
    facts = {
        "loan_id": loan.loan_id,
        "item_id": loan.item_id,
        "branch_id": loan.branch_id,
        "due_on": loan.due_on,
        "version": loan.state_version,
        **more,
    }
    member_id = UUID(loan.member_id) if loan.member_id else None
    note_fact(session, Fact(kind, UUID(loan.institution_id), facts, member_id))


def note_member(session: Session, kind: str, *, institution_id: str, member_id: str) -> None:
    """Note a fact about a member. Without members.read a partner learns only that there was one."""
    note_fact(session, Fact(kind, UUID(institution_id), {}, UUID(member_id)))


def forget_member(session: Session, member_id: UUID) -> None:
    """Forget the facts of an erased member, sent or not."""
    session.execute(delete(WebhookFact).where(WebhookFact.member_id == member_id))


def forget_client(session: Session, client_id: str) -> None:
    """Delete the webhooks of a client, with what waits for them: nothing may be sent to it any more."""
    own = select(Webhook.id).where(Webhook.client_id == client_id)
    session.execute(delete(WebhookFact).where(WebhookFact.webhook_id.in_(own)))
    session.execute(delete(Webhook).where(Webhook.client_id == client_id))
