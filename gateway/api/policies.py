"""The lending rules of the caller's institution, read and replaced as a whole."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import TEXT_PATTERN, QueryModel
from gateway.api.schemas import ResponseModel, Text
from gateway.api.serializers import plain
from gateway.api.writes import Version, version_tag
from gateway.clients import Circulation, call
from gateway.request_guard import accept_bodies
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.circulation.v1 import rules_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText

router = APIRouter(tags=["lending rules"], route_class=ApiRoute)

LONGEST_BODY_BYTES = 512 * 1024
ERRORS = (400, 401, 403, 429, 503, 504)
MOST_ROWS = 500
# The service judges every number; these limit what a message can have.
_MOST, _MOST_MONEY = 100_000, 1_000_000_000_000


def _code(description: str, example: str) -> Any:
    return Field("", description=description, max_length=64, pattern=TEXT_PATTERN, examples=[example])


def _number(default: int, description: str, *, most: int = _MOST) -> Any:
    return Field(default, description=description, ge=0, le=most, examples=[default])


class SentenceBody(BaseModel):
    """A sentence for people in both languages."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field("", description="In Indonesian.", max_length=300, examples=["Hanya dibaca di perpustakaan."])
    en: str = Field("", description="In English.", max_length=300, examples=["Read in the library only."])


class PolicyRowBody(BaseModel):
    """One row of rules; without category, collection or branch it is for any."""

    model_config = ConfigDict(extra="forbid")

    category: str = _code("Code of a category of members; empty for any.", "umum")
    collection: str = _code("Code of a collection; empty for any.", "circulation")
    branch: str = _code("Code of the branch that lends; empty for any.", "PST")
    unit: Literal["day", "hour"] = Field("day", description="What `period` counts.", examples=["day"])
    period: int = _number(7, "How long a loan lasts, and each renewal.")
    renewals: int = _number(1, "Renewals of a loan.")
    renew_from: Literal["due", "today"] = Field("due", description="The day that a renewal counts from.")
    renew_when_overdue: StrictBool = Field(False, description="Whether an overdue loan can be renewed.")
    loan_limit: int = _number(3, "Items at once; 0 for no limit.")
    collection_limit: int = _number(0, "Items of this collection at once; 0 for no limit of its own.")
    is_for_loan: StrictBool = Field(True, description="False: read in the library only.")
    not_for_loan_sentence: SentenceBody = Field(
        SentenceBody(), description="Shown when it is not for loan; then both languages are needed."
    )
    grace_days: int = _number(0, "Open days late without a suspension or a fine.")
    suspension_cap: int = _number(0, "Most days of a suspension after a late return; 0 for none.")
    last_due_on: str | None = Field(
        None,
        description="Loans are due on this day at the latest, ISO 8601; such as the end of a semester.",
        max_length=10,
        examples=["2026-12-18"],
    )
    holds_allowed: StrictBool = Field(True, description="For holds, which are not built yet; kept.")
    hold_limit: int = _number(2, "For holds, which are not built yet; kept.")
    shelf_days: int = _number(3, "For holds, which are not built yet; kept.")
    fine_per_day: int = _number(0, "For fines, which are not built yet; kept.", most=_MOST_MONEY)
    fine_cap: int = _number(0, "For fines, which are not built yet; kept.", most=_MOST_MONEY)
    lost_after_days: int = _number(60, "For lost items, which are not built yet; kept.")

    def message(self) -> loans_pb2.PolicyRow:
        values = self.model_dump(exclude={"not_for_loan_sentence", "last_due_on"})
        sentence = LocalText(id=self.not_for_loan_sentence.id, en=self.not_for_loan_sentence.en)
        return loans_pb2.PolicyRow(**values, not_for_loan_sentence=sentence, last_due_on=self.last_due_on or "")


class PoliciesBody(BaseModel):
    """A whole set of rules, as GET gives it."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(
        None, description="As GET gave it; If-Match decides.", ge=0, le=_MOST_MONEY, examples=[3]
    )
    default_category: str = _code("Code of the category that stands for a reader without sign-in.", "umum")
    rows: list[PolicyRowBody] = Field(description="All rows.", max_length=MOST_ROWS)
    dry_run: StrictBool = Field(False, description="Judge the rows and save nothing.")


class PolicyRow(ResponseModel):
    """One row of rules; without category, collection or branch it is for any. The most specific row decides."""

    category: str
    """Code of a category of members; empty for any."""
    collection: str
    """Code of a collection; empty for any."""
    branch: str
    """Code of the branch that lends; empty for any."""
    unit: str
    """What `period` counts: day or hour."""
    period: int
    """How long a loan lasts, and each renewal."""
    renewals: int
    """Renewals of a loan."""
    renew_from: str
    """The day that a renewal counts from: due or today."""
    renew_when_overdue: bool
    """Whether an overdue loan can be renewed."""
    loan_limit: int
    """Items at once; 0 for no limit."""
    collection_limit: int
    """Items of this collection at once; 0 for no limit of its own."""
    is_for_loan: bool
    """False: read in the library only."""
    not_for_loan_sentence: Text
    """Shown when it is not for loan."""
    grace_days: int
    """Open days late without a suspension or a fine."""
    suspension_cap: int
    """Most days of a suspension after a late return; 0 for none."""
    last_due_on: str | None = None
    """Loans are due on this day at the latest, ISO 8601."""
    holds_allowed: bool
    """For holds, which are not built yet."""
    hold_limit: int
    """For holds, which are not built yet."""
    shelf_days: int
    """For holds, which are not built yet."""
    fine_per_day: int
    """For fines, which are not built yet."""
    fine_cap: int
    """For fines, which are not built yet."""
    lost_after_days: int
    """For lost items, which are not built yet."""


class PolicyPreview(ResponseModel):
    """The loans of the last 90 days, judged by rules that are not saved yet."""

    loans: int
    """Loans of these days."""
    refused: int
    """Loans of what the rules do not lend."""
    longer: int
    """Loans with a longer period than by the rules in force."""
    shorter: int
    """Loans with a shorter one."""


class Policies(ResponseModel):
    """The lending rules of an institution."""

    version: int
    """Grows with each change; 0 for the rules that the institution began with."""
    default_category: str
    """Code of the category that stands for a reader without sign-in."""
    rows: list[PolicyRow]
    """A row that names the category decides before one that does not; then one with the collection, then the branch."""
    preview: PolicyPreview | None = None
    """With `dry_run`: what the rules would have meant for past loans."""


_ROW_EXAMPLE = {
    **PolicyRowBody().model_dump(exclude={"last_due_on"}),
    "category": "umum",
    "suspension_cap": 30,
    "last_due_on": "2026-12-18",
}
_EXAMPLE = {"version": 3, "default_category": "umum", "rows": [_ROW_EXAMPLE]}


@router.get(
    "/policies",
    response_model=Policies,
    **documented(operation="get_policies", summary="The lending rules", example=_EXAMPLE, errors=ERRORS),
)
async def get(request: Request, query: Annotated[QueryModel, Query()], circulation: Circulation) -> Response:
    """The rules in force; the most specific row decides about a loan."""
    reply = await call(request, circulation.GetPolicies, wire.GetPoliciesRequest())
    return _policies(reply.policies)


@router.put(
    "/policies",
    response_model=Policies,
    **documented(
        operation="put_policies",
        summary="Replace the lending rules",
        example=_EXAMPLE,
        errors=ERRORS,
        method="/rangkiang.circulation.v1.Circulation/PutPolicies",
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def put(request: Request, body: PoliciesBody, circulation: Circulation, version: Version) -> Response:
    """The rows are judged as a whole; a gap or a value that makes no sense refuses them all."""
    policies = wire.Policies(
        version=version, default_category=body.default_category, rows=[row.message() for row in body.rows]
    )
    message = wire.PutPoliciesRequest(policies=policies, is_dry_run=body.dry_run)
    reply = await call(request, circulation.PutPolicies, message)
    return _policies(reply.policies, reply.preview if reply.HasField("preview") else None)


def _policies(message: wire.Policies, preview: wire.PolicyPreview | None = None) -> Response:
    values = plain(message) | {"preview": None if preview is None else plain(preview)}
    for row in values["rows"]:
        row["last_due_on"] = row["last_due_on"] or None
    response = private(Policies(**values))
    # Version 0 has an ETag too: it is the one that the first PUT names.
    response.headers["ETag"] = version_tag(message.version)
    return response
