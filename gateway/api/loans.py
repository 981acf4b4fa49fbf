"""Routes to list (JSON and CSV), explain and renew loans of the institution, and to read a borrower."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Body, ResponseModel
from gateway.api.loan_csv import CSV, loans_as_csv
from gateway.api.loan_models import (
    ACT_ERRORS,
    ERRORS,
    LOAN_EXAMPLE,
    RENEWALS_EXAMPLE,
    SERVICE,
    Loan,
    LoanId,
    Renewals,
    Suspension,
    loan_model,
    refusal_models,
    renewals_model,
    suspension_model,
)
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import Flag, QueryModel, WholeNumber, number, text
from gateway.api.schemas import JSON, MEMBER_ID_EXAMPLE, MemberId, Refusal
from gateway.api.serializers import plain
from gateway.clients import Circulation, call
from gateway.negotiation import language, preferred_media_type
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.common.v1.models import Text

router = APIRouter(tags=["loans"], route_class=ApiRoute)


class LoansQuery(QueryModel):
    member: str = text("Loans of this member: an id, or a card number as scanned.", example=MEMBER_ID_EXAMPLE)
    branch: str = text("Loans of this branch, by its code.", longest=64, example="PST")
    group: str = text("Loans of this class or study programme.", example="XI IPS 3")
    item: str = text("Loans of this item: an id, or a barcode as scanned.", example="KS0015001")
    overdue: Annotated[bool, Flag] = Field(False, description="Only overdue loans.")
    returned: Annotated[bool, Flag] = Field(False, description="Include loans that have ended.")
    cursor: str = text("The `next` value of the previous page.", longest=500)
    limit: Annotated[int, WholeNumber(1, 500)] = number(100, "Loans on a page.")

    def message(self) -> wire.ListLoansRequest:
        return wire.ListLoansRequest(
            member=self.member,
            branch=self.branch,
            group=self.group,
            item=self.item,
            is_overdue=self.overdue,
            with_returned=self.returned,
            cursor=self.cursor,
            limit=self.limit,
        )


class RenewBody(Body):
    """Refusals that the caller waives."""

    override: list[str] = Field(
        [],
        description="Reasons of refusals that the caller waives; needs loans.override and a reason.",
        max_length=20,
        examples=[["RENEWALS_USED_UP"]],
    )
    reason: str = Field("", description="Reason for the waiver.", max_length=300, examples=["Ujian akhir"])


class Loans(ResponseModel):
    """A page of loans."""

    total: int
    """Number of loans on all pages."""
    hits: list[Loan]
    """The loans, the first due first."""
    next: str | None = None
    """Cursor of the next page; absent on the last page."""


class RenewedLoan(ResponseModel):
    """A renewed loan."""

    loan: Loan
    """The loan with its new due date."""


class LoanPolicyRow(ResponseModel):
    """The policy row that applied; an empty category, collection or branch stands for any."""

    category: str
    """Code of a category of members."""
    collection: str
    """Code of a collection."""
    branch: str
    """Code of the lending branch."""
    unit: str
    """Unit of `period`: day or hour."""
    period: int
    """Loan period, in days or hours."""
    renewals: int
    """Number of renewals that are allowed."""
    loan_limit: int
    """Largest number of open loans of a member; 0 means no limit in this row."""


class CalendarDay(ResponseModel):
    """A day between the start of the loan and its due date."""

    date: str
    """Day, ISO 8601."""
    is_open: bool
    """True when the branch is open."""
    why: str
    """Reason why the branch is closed."""


class LoanExplained(ResponseModel):
    """How the due date of a loan was determined."""

    loan: Loan
    """The loan."""
    policy_version: int
    """Version of the policies that applied."""
    row: LoanPolicyRow
    """The policy row that applied."""
    days: list[CalendarDay]
    """Days that were not counted, or that moved the due date."""
    steps: list[Text]
    """The steps of the decision as sentences, in order."""


class Borrower(ResponseModel):
    """The loans of a member, and whether the member may borrow. It does not contain the name."""

    member: str
    """Identifier (UUID) of the member."""
    card: str
    """Card number."""
    category: str
    """Code of the category."""
    expires_on: str
    """Last day of the membership, ISO 8601; empty when the membership has no end."""
    open_loans: int
    """Number of open loans."""
    overdue_loans: int
    """Number of overdue loans among them."""
    loan_limit: int
    """Largest number of open loans that the policy allows."""
    suspension: Suspension | None = None
    """The suspension in force; absent when there is none."""
    refusals: list[Refusal]
    """Refusals that apply to every item."""
    loans: list[Loan]
    """The member's loans."""


_ROW_EXAMPLE = {
    "category": "umum", "collection": "", "branch": "", "unit": "day", "period": 7, "renewals": 1, "loan_limit": 3,
}  # fmt: skip
_ROW = tuple(LoanPolicyRow.model_fields)


@router.get(
    "/loans",
    response_model=Loans,
    **documented(
        operation="list_loans",
        summary="Loans",
        example={"total": 1, "hits": [LOAN_EXAMPLE]},
        content={CSV: {"schema": {"type": "string"}}},
        errors=(*ERRORS, 404),
    ),
)
async def list_loans(request: Request, query: Annotated[LoansQuery, Query()], circulation: Circulation) -> Response:
    """List loans of the caller's institution, by default open ones, the first due first. CSV has all pages."""
    if preferred_media_type(request.headers.get("accept", ""), (JSON, CSV)) == CSV:
        return await loans_as_csv(request, query.message())
    reply = await call(request, circulation.ListLoans, query.message())
    hits = [loan_model(loan) for loan in reply.loans]
    return private(Loans(total=reply.total, hits=hits, next=reply.cursor or None))


@router.get(
    "/loans/{loan_id}/why",
    response_model=LoanExplained,
    **documented(
        operation="explain_loan",
        summary="How the due date of a loan was determined",
        example={
            "loan": LOAN_EXAMPLE,
            "policy_version": 3,
            "row": _ROW_EXAMPLE,
            "days": [{"date": "2026-12-03", "is_open": True, "why": ""}],
            "steps": [{"id": "7 hari sejak 26 November 2026.", "en": "7 days from 26 November 2026."}],
        },
        errors=(*ERRORS, 404),
    ),
)
async def explain(
    request: Request, loan_id: LoanId, query: Annotated[QueryModel, Query()], circulation: Circulation
) -> Response:
    """Return the policy row and the calendar days that determined the due date."""
    reply = await call(request, circulation.ExplainLoan, wire.ExplainLoanRequest(id=loan_id))
    row = plain(reply.row)
    return private(
        LoanExplained(
            loan=loan_model(reply.loan),
            policy_version=reply.policy_version,
            row=LoanPolicyRow(**{name: row[name] for name in _ROW}),
            days=[CalendarDay(**plain(day)) for day in reply.days],
            steps=[Text(id=step.id, en=step.en) for step in reply.steps],
        )
    )


@router.post(
    "/loans/{loan_id}/renew",
    response_model=RenewedLoan,
    **documented(
        operation="renew_loan",
        summary="Renew a loan",
        example={"loan": {**LOAN_EXAMPLE, "renewals": 1, "renewals_left": 0, "version": 2}},
        errors=ACT_ERRORS,
        method=f"{SERVICE}/RenewLoan",
    ),
)
async def renew(request: Request, loan_id: LoanId, circulation: Circulation, body: RenewBody | None = None) -> Response:
    """Renew a loan, which moves its due date. A refusal lists all reasons."""
    body = body or RenewBody()
    message = wire.RenewLoanRequest(id=loan_id, override=body.override, reason=body.reason)
    reply = await call(request, circulation.RenewLoan, message)
    return private(RenewedLoan(loan=loan_model(reply.loan)))


@router.post(
    "/members/{member_id}/renew-all",
    response_model=Renewals,
    **documented(
        operation="renew_all_loans",
        summary="Renew all loans of a member",
        example=RENEWALS_EXAMPLE,
        errors=ACT_ERRORS,
        method=f"{SERVICE}/RenewAll",
    ),
)
async def renew_all(request: Request, member_id: MemberId, circulation: Circulation) -> Response:
    """Renew every loan of a member that can be renewed. The response has the reasons against the other renewals."""
    reply = await call(request, circulation.RenewAll, wire.RenewAllRequest(member=member_id))
    return private(renewals_model(list(reply.renewals), language(request)))


@router.get(
    "/borrowers/{member_id}",
    response_model=Borrower,
    **documented(
        operation="get_borrower",
        summary="A member's loans, limit and refusals",
        example={
            "member": MEMBER_ID_EXAMPLE,
            "card": "1000000018",
            "category": "umum",
            "expires_on": "2028-11-26",
            "open_loans": 1,
            "overdue_loans": 0,
            "loan_limit": 3,
            "refusals": [],
            "loans": [LOAN_EXAMPLE],
        },
        errors=(*ERRORS, 404),
    ),
)
async def borrower(
    request: Request, member_id: MemberId, query: Annotated[QueryModel, Query()], circulation: Circulation
) -> Response:
    """Return a borrower by member id, or by card number as scanned."""
    reply = await call(request, circulation.GetBorrower, wire.GetBorrowerRequest(member=member_id))
    return private(
        Borrower(
            member=reply.member_id,
            card=reply.card,
            category=reply.category,
            expires_on=reply.expires_on,
            open_loans=reply.open_loans,
            overdue_loans=reply.overdue_loans,
            loan_limit=reply.loan_limit,
            suspension=suspension_model(reply.suspension) if reply.HasField("suspension") else None,
            refusals=refusal_models(list(reply.refusals), language(request)),
            loans=[loan_model(loan) for loan in reply.loans],
        )
    )
