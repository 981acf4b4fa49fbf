"""Routes to list, also as CSV, explain and renew loans of the institution, and to read a borrower."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.branches import BranchCode
from chassis.models import ResponseModel, to_message, to_model
from gateway.api.loan_csv import loans_as_csv
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import CSV_CONTENT, ID_PATTERN, MemberId
from gateway.api.writes import versioned
from gateway.clients import Circulation, call
from gateway.negotiation import language
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1 import models

router = APIRouter(tags=["loans"], route_class=ApiRoute)
# The gateway does not check the form: the service refuses any id that is not a loan of the caller's institution (404).
LoanId = Annotated[
    str,
    Path(description="A loan's identifier (UUID).", examples=["0192f3a4-5b6c-7d8e-9f07-23456789abcd"]),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]


_AS_USUAL = models.RenewBody()
_ROW_EXAMPLE = {
    "category": "umum", "collection": "", "branch": "", "unit": "day", "period": 7, "renewals": 1, "loan_limit": 3,
}  # fmt: skip


class LoanPolicyRow(ResponseModel):
    """The policy row that applied; an empty category, collection or branch stands for any."""

    category: str
    """Code of a category of members."""
    collection: str
    """Code of a collection."""
    branch: BranchCode
    """The lending branch."""
    unit: Literal["day", "hour"]
    """Unit of `period`."""
    period: int
    """Loan period, in days or hours."""
    renewals: int
    """Number of renewals that are allowed."""
    loan_limit: int
    """Largest number of open loans of a member; 0 means no limit in this row."""


class LoanExplained(models.LoanExplained):
    """How the due date of a loan was determined."""

    row: LoanPolicyRow = Field(description="The policy row that applied.", examples=[_ROW_EXAMPLE])


@router.get("/loans", **documented("Loans", "circulation.ListLoans", errors=(404,)))
async def list_loans(
    request: Request, query: Annotated[models.LoansQuery, Query()], circulation: Circulation
) -> models.Loans:
    """List loans of the caller's institution, by default open ones, the first due first."""
    message = to_message(wire.ListLoansRequest, query)
    return to_model(models.Loans, await call(request, circulation.ListLoans, message))


@router.get(
    "/loans.csv",
    response_class=Response,
    **documented("Loans as CSV", "circulation.ListLoans", errors=(404,), content=CSV_CONTENT),
)
async def list_loans_as_csv(request: Request, query: Annotated[models.LoansConditions, Query()]) -> Response:
    """List loans in one file, at most 50,000."""
    return await loans_as_csv(request, to_message(wire.ListLoansRequest, query))


@router.get("/loans/{loan_id}", **documented("A loan", "circulation.GetLoan", errors=(404,)))
async def get_loan(
    request: Request, response: Response, loan_id: LoanId, query: NoParameters, circulation: Circulation
) -> models.Loan:
    """Return a loan of the caller's institution, open or ended. The audit log records each request.

    A program with the scope facts.loans and without loans.read gets it without `member`, `card` and `group`.
    """
    loan = (await call(request, circulation.GetLoan, wire.GetLoanRequest(id=loan_id))).loan
    return versioned(response, to_model(models.Loan, loan), loan.version)


@router.get(
    "/loans/{loan_id}/explanation",
    **documented("How the due date of a loan was determined", "circulation.ExplainLoan", errors=(404,)),
)
async def explain_loan(
    request: Request, loan_id: LoanId, query: NoParameters, circulation: Circulation
) -> LoanExplained:
    """Return the policy row and the calendar days that determined the due date."""
    reply = await call(request, circulation.ExplainLoan, wire.ExplainLoanRequest(id=loan_id))
    return to_model(LoanExplained, reply, row=to_model(LoanPolicyRow, reply.row))


@router.post("/loans/{loan_id}/renewals", **documented("Renew a loan", "circulation.RenewLoan", errors=(404, 409)))
async def renew_loan(
    request: Request, loan_id: LoanId, circulation: Circulation, body: models.RenewBody = _AS_USUAL
) -> models.RenewedLoan:
    """Renew a loan, which moves its due date. A refusal lists all reasons."""
    message = to_message(wire.RenewLoanRequest, body, id=loan_id)
    return to_model(models.RenewedLoan, await call(request, circulation.RenewLoan, message))


@router.post(
    "/members/{member_id}/loan-renewals",
    **documented("Renew all loans of a member", "circulation.RenewAll", errors=(404, 409)),
)
async def renew_all_loans(request: Request, member_id: MemberId, circulation: Circulation) -> models.Renewals:
    """Renew every loan of a member that can be renewed. The response has the reasons against the other renewals."""
    reply = await call(request, circulation.RenewAll, wire.RenewAllRequest(member=member_id))
    return to_model(models.Renewals, reply, language(request))


@router.get(
    "/borrowers/{member_id}",
    **documented("A member's loans, limit and refusals", "circulation.GetBorrower", errors=(404,)),
)
async def get_borrower(
    request: Request, member_id: MemberId, query: NoParameters, circulation: Circulation
) -> models.Borrower:
    """Return a borrower by member id, or by card number as scanned."""
    reply = await call(request, circulation.GetBorrower, wire.GetBorrowerRequest(member=member_id))
    return to_model(models.Borrower, reply, language(request))
