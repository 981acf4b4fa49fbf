"""The OpenAPI document describes the requests that webhooks get."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import NumberedRecord, RecordChangesNumbered
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from services.notifications.tables import WebhookEvent
from services.notifications.webhooks.delivery import body_of
from services.notifications.webhooks.events import SCOPES, PartnerEvent, loan_event, record_events
from services.notifications.webhooks.subscriptions import PING
from tests.described import document

BRANCH, MEMBER = new_id(), new_id()
NOON = datetime(2026, 11, 24, 5, tzinfo=UTC)


def sent(event: PartnerEvent, member_id: UUID | None) -> dict[str, Any]:
    """The body that a webhook gets."""
    row = WebhookEvent(
        id=new_id(), institution_id=event.institution_id, webhook_id=new_id(), kind=event.kind, facts=event.facts,
        member_id=member_id, occurred_at=NOON,
    )  # fmt: skip
    body: dict[str, Any] = json.loads(body_of(row, {str(BRANCH): "PKS/PST"}))
    return body


def schema_of(kind: str) -> dict[str, Any]:
    described = document()
    schema: dict[str, Any] = described["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]["schema"]
    # No further property may come than those that are described.
    closed = {
        name: shape | {"additionalProperties": False} for name, shape in described["components"]["schemas"].items()
    }
    return {"components": {"schemas": closed}, **schema}


def loan(**more: Any) -> LoanCopy:
    return LoanCopy(
        loan_id=str(new_id()), institution_id=str(new_id()), item_id=str(new_id()), state_version=1,
        member_id=str(MEMBER), due_on="2026-12-01", branch_id=str(BRANCH), **more,
    )  # fmt: skip


def test_every_kind_of_event_is_described_with_its_signature() -> None:
    webhooks = document()["webhooks"]
    assert list(webhooks) == [*SCOPES, PING]
    for operations in webhooks.values():
        names = {parameter["name"] for parameter in operations["post"]["parameters"]}
        assert names == {"Rangkiang-Delivery", "Rangkiang-Signature"}


@pytest.mark.parametrize("kind", [kind for kind in SCOPES if kind.startswith("loan.")])
@pytest.mark.parametrize("member_id", [MEMBER, None])
def test_events_of_loans_are_as_described(kind: str, member_id: UUID | None) -> None:
    more: dict[str, Any] = {"loan.opened": {"imported": True}, "loan.overdue": {"days": 7}}.get(kind, {})
    for copied in (loan(title="Bumi Manusia", barcode="KS0015001"), loan()):
        body = sent(loan_event(kind, copied, **more), member_id)
        jsonschema.Draft202012Validator(schema_of(kind)).validate(body)
    assert body["facts"]["branch"] == "PKS/PST"


@pytest.mark.parametrize("kind", ["member.registered", PING])
def test_events_without_facts_are_as_described(kind: str) -> None:
    body = sent(PartnerEvent(kind, new_id(), {}, MEMBER), MEMBER)
    jsonschema.Draft202012Validator(schema_of(kind)).validate(body)


def test_an_event_of_records_is_as_described() -> None:
    records = [
        NumberedRecord(id=str(new_id()), version=2, change_number=1, title="Judul"),
        NumberedRecord(id=str(new_id()), version=2, change_number=2, is_deleted=True),
    ]
    event = RecordChangesNumbered(institution_id=str(new_id()), institution="PKS", epoch="e", records=records)
    changed, deleted = record_events(event)
    assert (changed.kind, deleted.kind) == ("records.changed", "records.deleted")
    for part in (changed, deleted):
        jsonschema.validate(sent(part, None), schema_of(part.kind))
