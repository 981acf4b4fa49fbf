"""Routes to read and replace the policies (lending rules) of the caller's institution."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import TEXT_PATTERN, QueryModel
from gateway.api.serializers import plain
from gateway.api.writes import Version, version_tag
from gateway.clients import Circulation, call
from gateway.request_guard import accept_bodies
from rangkiang.circulation.v1 import loans_pb2
from rangkiang.circulation.v1 import rules_pb2 as wire
from rangkiang.common.v1.models import Text
from rangkiang.common.v1.text_pb2 import LocalText

router = APIRouter(tags=["lending rules"], route_class=ApiRoute)

LONGEST_BODY_BYTES = 512 * 1024
ERRORS = (400, 401, 403, 429, 503, 504)
MOST_ROWS = 500
# Bounds the numbers that are read, also those of the page. The service has a limit for each number.
MOST_NUMBER = 1_000_000_000


def _code(description: str, example: str) -> Any:
    return Field("", description=description, max_length=64, pattern=TEXT_PATTERN, examples=[example])


def _number(default: int, description: str) -> Any:
    return Field(default, description=description, ge=0, le=MOST_NUMBER, examples=[default])


class SentenceBody(BaseModel):
    """A sentence for people in both languages."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field("", description="In Indonesian.", max_length=300, examples=["Hanya dibaca di perpustakaan."])
    en: str = Field("", description="In English.", max_length=300, examples=["Read in the library only."])


class PolicyRowBody(BaseModel):
    """A policy row; an empty category, collection or branch stands for any."""

    model_config = ConfigDict(extra="forbid")

    category: str = _code("Code of a category of members; empty for any.", "umum")
    collection: str = _code("Code of a collection; empty for any.", "circulation")
    branch: str = _code("Code of the branch that lends; empty for any.", "PST")
    unit: Literal["day", "hour"] = Field("day", description="Unit of `period`.", examples=["day"])
    period: int = _number(7, "Length of a loan and of each renewal, in `unit`.")
    renewals: int = _number(1, "Number of renewals that a loan may have.")
    renew_from: Literal["due", "today"] = Field(
        "due", description="Day from which a renewal counts: the due date or today."
    )
    renew_when_overdue: StrictBool = Field(False, description="True when an overdue loan can be renewed.")
    loan_limit: int = _number(3, "Largest number of open loans; 0 for no limit.")
    collection_limit: int = _number(0, "Largest number of open loans of this collection; 0 for no separate limit.")
    is_for_loan: StrictBool = Field(True, description="False for items that are only read in the library.")
    not_for_loan_sentence: SentenceBody = Field(
        SentenceBody(), description="Sentence for items that are not for loan; required with both languages for them."
    )
    grace_days: int = _number(0, "Overdue open days without a suspension or a fine.")
    suspension_cap: int = _number(0, "Longest suspension after a late return, in calendar days; 0 for no suspension.")
    last_due_on: str | None = Field(
        None,
        description="Latest due date, ISO 8601, such as the end of a semester.",
        max_length=10,
        examples=["2026-12-18"],
    )
    holds_allowed: StrictBool = Field(True, description="True when holds are allowed. Stored; holds do not exist yet.")
    hold_limit: int = _number(2, "Largest number of holds. Stored; holds do not exist yet.")
    shelf_days: int = _number(3, "Open days on the hold shelf. Stored; holds do not exist yet.")
    fine_per_day: int = _number(0, "Fine for each overdue day. Stored; fines do not exist yet.")
    fine_cap: int = _number(0, "Limit of a fine. Stored; fines do not exist yet.")
    lost_after_days: int = _number(60, "Overdue days until an item is presumed lost. Stored; not used yet.")

    def message(self) -> loans_pb2.PolicyRow:
        values = self.model_dump(exclude={"not_for_loan_sentence", "last_due_on"})
        sentence = LocalText(id=self.not_for_loan_sentence.id, en=self.not_for_loan_sentence.en)
        return loans_pb2.PolicyRow(**values, not_for_loan_sentence=sentence, last_due_on=self.last_due_on or "")


class PoliciesBody(BaseModel):
    """All policies, in the form that GET returns."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(
        None, description="Ignored: If-Match names the version.", ge=0, le=1_000_000_000_000, examples=[3]
    )
    default_category: str = _code("Code of the category whose rules apply to a reader who is not signed in.", "umum")
    rows: list[PolicyRowBody] = Field(description="All rows.", max_length=MOST_ROWS)
    dry_run: StrictBool = Field(False, description="Validate the rows and save nothing.")


class PolicyRow(ResponseModel):
    """A policy row; an empty category, collection or branch stands for any. The most specific row applies."""

    category: str
    """Code of a category of members; empty for any."""
    collection: str
    """Code of a collection; empty for any."""
    branch: str
    """Code of the branch that lends; empty for any."""
    unit: str
    """Unit of `period`: day or hour."""
    period: int
    """Length of a loan and of each renewal, in `unit`."""
    renewals: int
    """Number of renewals that a loan may have."""
    renew_from: str
    """Day from which a renewal counts: due (the due date) or today."""
    renew_when_overdue: bool
    """True when an overdue loan can be renewed."""
    loan_limit: int
    """Largest number of open loans; 0 for no limit."""
    collection_limit: int
    """Largest number of open loans of this collection; 0 for no separate limit."""
    is_for_loan: bool
    """False for items that are only read in the library."""
    not_for_loan_sentence: Text
    """Sentence for items that are not for loan."""
    grace_days: int
    """Overdue open days without a suspension or a fine."""
    suspension_cap: int
    """Longest suspension after a late return, in calendar days; 0 for no suspension."""
    last_due_on: str | None = None
    """Latest due date, ISO 8601."""
    holds_allowed: bool
    """True when holds are allowed; holds do not exist yet."""
    hold_limit: int
    """Largest number of holds; holds do not exist yet."""
    shelf_days: int
    """Open days on the hold shelf; holds do not exist yet."""
    fine_per_day: int
    """Fine for each overdue day; fines do not exist yet."""
    fine_cap: int
    """Limit of a fine; fines do not exist yet."""
    lost_after_days: int
    """Overdue days until an item is presumed lost; not used yet."""


class PolicyPreview(ResponseModel):
    """The effect of unsaved policies on the loans of the last 90 days."""

    loans: int
    """Number of loans in these 90 days."""
    refused: int
    """Number of loans that the unsaved policies do not allow."""
    longer: int
    """Number of loans with a longer period than under the policies in force."""
    shorter: int
    """Number of loans with a shorter period than under the policies in force."""


class Policies(ResponseModel):
    """The policies of an institution."""

    version: int
    """Version, for If-Match; 0 for the default policies."""
    default_category: str
    """Code of the category whose rules apply to a reader who is not signed in."""
    rows: list[PolicyRow]
    """Rows. A row with the category precedes one without; then one with the collection; then one with the branch."""
    preview: PolicyPreview | None = None
    """With `dry_run`: the effect of the policies on past loans."""


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
    """Return the policies in force. The most specific row applies to a loan."""
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
    """Replace all policies. A gap between rows, or an invalid value, refuses the whole request."""
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
    # Version 0 needs an ETag too, because the first PUT sends it as If-Match.
    response.headers["ETag"] = version_tag(message.version)
    return response
