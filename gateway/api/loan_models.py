"""Models of loans, lent items, suspensions and renewals, their examples, and the conversion of messages."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field, WithJsonSchema

from chassis.models import ResponseModel
from chassis.rpc.status import refusal_of
from gateway.api.schemas import ID_PATTERN, MEMBER_ID_EXAMPLE, RECORD_ID_EXAMPLE, Refusal
from gateway.api.serializers import plain
from rangkiang.circulation.v1 import circulation_pb2
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.common.v1 import refusal_pb2
from rangkiang.common.v1.models import Text

SERVICE = f"/{circulation_pb2.DESCRIPTOR.services_by_name['Circulation'].full_name}"
ERRORS = (400, 401, 403, 429, 503, 504)
ACT_ERRORS = (*ERRORS, 404, 409)
LOAN_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f07-23456789abcd"
ITEM_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f08-23456789abcd"
# The gateway does not check the form: the service refuses any id that is not a loan of the caller's institution (404).
LoanId = Annotated[
    str,
    Path(description="A loan's identifier (UUID).", examples=[LOAN_ID_EXAMPLE]),
    WithJsonSchema({"type": "string", "pattern": ID_PATTERN}),
]


class LentItem(ResponseModel):
    """An item with its lending data."""

    id: str
    """Identifier (UUID)."""
    barcode: str
    """The number that a scanner reads."""
    title: str
    """Title of the record, at most 120 characters."""
    call_number: str
    """Call number."""
    enumeration: str
    """Volume or number, such as that of a series."""
    record_id: str
    """Identifier (UUID) of the record."""
    branch: str
    """Code of the branch that owns the item."""
    collection: str
    """Code of the collection, such as circulation, children, reference."""


class Loan(ResponseModel):
    """An item lent to a member."""

    id: str | None = None
    """Identifier (UUID); absent in a dry run."""
    member: str
    """Identifier (UUID) of the borrower; empty after the borrower was removed from the loan."""
    card: str
    """The borrower's card number; empty when `member` is."""
    group: str
    """The borrower's class or study programme."""
    item: LentItem
    """The lent item."""
    branch: str
    """Code of the lending branch."""
    branch_name: Text
    """Name of the lending branch."""
    lent_at: str | None = None
    """Time of lending, ISO 8601 in UTC."""
    due_at: str | None = None
    """Time at which the loan is due, ISO 8601 in UTC."""
    due_on: str
    """Due date: the day of `due_at` in the branch's zone, ISO 8601."""
    zone: str
    """IANA zone of the branch."""
    unit: str
    """Unit of the loan period: day or hour."""
    renewals: int
    """Number of renewals so far."""
    renewals_left: int
    """Number of renewals that the policy still allows."""
    overdue_days: int
    """Number of open days since the due date; 0 when not overdue."""
    returned_at: str | None = None
    """Time of the return, ISO 8601 in UTC; absent while the item is on loan."""
    version: int
    """Version of the loan."""


class Suspension(ResponseModel):
    """A period in which the member may not borrow, from the first to the last day inclusive."""

    begins_on: str
    """First day, ISO 8601."""
    ends_on: str
    """Last day, ISO 8601."""
    days: int
    """Number of calendar days."""


class Renewal(ResponseModel):
    """The result for one loan: renewed, or refused with reasons."""

    loan: Loan
    """The loan after the act."""
    renewed: bool
    """True when the loan was renewed."""
    refusals: list[Refusal]
    """Reasons why the loan was not renewed."""


class Renewals(ResponseModel):
    """All loans of a member, each with the result of its renewal."""

    total: int
    """Number of loans."""
    hits: list[Renewal]
    """The loans, the first due first."""


ITEM_EXAMPLE = {
    "id": ITEM_ID_EXAMPLE,
    "barcode": "KS0015001",
    "title": "Robohnya Surau Kami",
    "call_number": "F 899.2213 NAV r",
    "enumeration": "",
    "record_id": RECORD_ID_EXAMPLE,
    "branch": "PST",
    "collection": "circulation",
}
LOAN_EXAMPLE = {
    "id": LOAN_ID_EXAMPLE,
    "member": MEMBER_ID_EXAMPLE,
    "card": "1000000018",
    "group": "",
    "item": ITEM_EXAMPLE,
    "branch": "PST",
    "branch_name": {"id": "Perpustakaan Pusat", "en": "Main Library"},
    "lent_at": "2026-11-26T03:15:00Z",
    "due_at": "2026-12-03T09:00:00Z",
    "due_on": "2026-12-03",
    "zone": "Asia/Jakarta",
    "unit": "day",
    "renewals": 0,
    "renewals_left": 1,
    "overdue_days": 0,
    "version": 1,
}
SUSPENSION_EXAMPLE = {"begins_on": "2026-12-08", "ends_on": "2026-12-10", "days": 3}
REFUSAL_EXAMPLE = {
    "reason": "RENEWALS_USED_UP",
    "facts": {"renewals": 1},
    "detail": "This loan has been renewed as often as the rules allow (1).",
}
RENEWALS_EXAMPLE = {
    "total": 2,
    "hits": [
        {"loan": LOAN_EXAMPLE, "renewed": True, "refusals": []},
        {"loan": LOAN_EXAMPLE, "renewed": False, "refusals": [REFUSAL_EXAMPLE]},
    ],
}
Code = Annotated[str, Field(max_length=200)]


def item_model(message: wire.Item) -> LentItem:
    return LentItem(**plain(message))


def loan_model(message: wire.Loan) -> Loan:
    fields: dict[str, Any] = plain(message)
    del fields["institution_id"]
    fields["id"] = fields["id"] or None
    fields["member"] = fields.pop("member_id")
    return Loan(**fields)


def suspension_model(message: wire.Suspension) -> Suspension:
    return Suspension(**plain(message))


def refusal_models(messages: list[refusal_pb2.Refusal], language: str) -> list[Refusal]:
    """Return the refusals of a reply, with their sentences in `language`."""
    refusals = [refusal_of(message) for message in messages]
    return [
        Refusal(reason=refusal.reason, facts=refusal.facts, detail=refusal.sentence.in_language(language))
        for refusal in refusals
    ]


def renewals_model(messages: list[wire.Renewal], language: str) -> Renewals:
    hits = [
        Renewal(
            loan=loan_model(renewal.loan),
            renewed=renewal.is_renewed,
            refusals=refusal_models(list(renewal.refusals), language),
        )
        for renewal in messages
    ]
    return Renewals(total=len(hits), hits=hits)
