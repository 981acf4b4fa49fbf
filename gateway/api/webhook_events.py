"""The requests that webhooks get, for the OpenAPI document: one operation for each kind of event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import AwareDatetime, Field

from chassis.models import ResponseModel

requests = APIRouter(tags=["webhooks"])

_ID = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"


class LoanFacts(ResponseModel):
    """A loan after the event."""

    loan_id: UUID = Field(description="Identifier of the loan.", examples=[_ID])
    item_id: UUID = Field(description="Identifier of the item.", examples=[_ID])
    barcode: str | None = Field(description="Barcode of the item.", examples=["KS0015001"])
    title: str | None = Field(description="Title, at most 120 characters.", examples=["Bumi Manusia"])
    branch: str | None = Field(description="Branch of the act.", examples=["PKS/PST"])
    due_on: date = Field(description="Due date in the branch's zone.", examples=["2026-12-01"])
    version: int = Field(description="Grows with each act on the item.", examples=[1])
    days: int | None = Field(default=None, description="Days after the due date, in `loan.overdue`.", examples=[7])
    imported: bool | None = Field(default=None, description="True for a loan that was imported from another system.")


class RecordOfEvent(ResponseModel):
    """A record of an event."""

    id: UUID = Field(description="Identifier of the record.", examples=[_ID])
    version: int = Field(description="Version of the record.", examples=[2])
    change_number: int = Field(description="Grows with each change in the catalogue.", examples=[48213])
    title: str | None = Field(description="Title; null for a deleted record.", examples=["Bumi Manusia"])


class RecordFacts(ResponseModel):
    """At most 100 records of an institution that were changed together, such as by an import."""

    institution: str = Field(description="Code of the institution.", examples=["PKS"])
    cursor: str = Field(
        description="A `cursor` of `GET /changes`: from there it has these changes and all later ones.",
        examples=["WyJjaGFuZ2VzIiwiYzE5ZjA0ZTdhMmI4NTYzZCIsNDgyMTJd"],
    )
    records: list[RecordOfEvent] = Field(description="The records, in the order of their changes.")


class NoFacts(ResponseModel):
    """No facts."""


class Event(ResponseModel):
    """An event that a webhook gets."""

    payload_version: Literal[1] = Field(description="Grows when a field of an event changes or goes.", examples=[1])
    id: UUID = Field(description="Identifier, the same in each attempt and replay.", examples=[_ID])
    kind: str = Field(description="Kind of the event.", examples=["ping"])
    institution_id: UUID = Field(description="Identifier of the institution.", examples=[_ID])
    occurred_at: AwareDatetime = Field(description="Time of the event.", examples=["2026-11-24T05:00:00Z"])
    member_id: UUID | None = Field(default=None, description="The member, if the webhook gets ids.", examples=[_ID])


class LoanEvent(Event):
    """An event of a loan."""

    facts: LoanFacts = Field(description="The loan.")


class RecordEvent(Event):
    """An event of records."""

    facts: RecordFacts = Field(description="The records.")


class MemberEvent(Event):
    """An event of a member, or a test event."""

    facts: NoFacts = Field(description="Always empty.")


DeliveryId = Annotated[
    UUID, Header(alias="Rangkiang-Delivery", description="The id of the event, the same in each attempt.")
]
Signature = Annotated[
    str,
    Header(
        alias="Rangkiang-Signature",
        description=(
            "`t`: the time of sending in seconds. `v1`: HMAC-SHA-256 of this time, a full stop and the body, with the "
            "webhook's secret, in hexadecimal digits; for a day after a change of the secret one `v1` for each secret."
        ),
        examples=["t=1795496400,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"],
    ),
]


def get_loan_event(event: LoanEvent, delivery: DeliveryId, signature: Signature) -> None:
    """Answer with 2xx within 10 seconds. After any other answer the event is sent again."""


def get_record_event(event: RecordEvent, delivery: DeliveryId, signature: Signature) -> None:
    """Answer with 2xx within 10 seconds. After any other answer the event is sent again."""


def get_member_event(event: MemberEvent, delivery: DeliveryId, signature: Signature) -> None:
    """Answer with 2xx within 10 seconds. After any other answer the event is sent again."""


_RECEIVERS: dict[str, Callable[..., None]] = {"loan": get_loan_event, "records": get_record_event}

for kind, summary in {
    "loan.opened": "An item was lent",
    "loan.renewed": "A loan was renewed, or its due date moved",
    "loan.returned": "An item was returned",
    "loan.overdue": "A loan is overdue",
    "member.registered": "A member was registered",
    "records.changed": "Records were added or changed",
    "records.deleted": "Records were deleted",
    "ping": "A test event",
}.items():
    requests.add_api_route(
        kind,
        _RECEIVERS.get(kind.partition(".")[0], get_member_event),
        methods=["POST"],
        summary=summary,
        operation_id=f"receive_{kind.replace('.', '_')}",
        response_description="The event was received.",
        responses={410: {"description": "The webhook is disabled at once."}},
        openapi_extra={"security": []},
    )
