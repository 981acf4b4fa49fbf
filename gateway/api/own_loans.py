"""Routes to list and renew the caller's own loans."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from chassis.models import Refusal, ResponseModel, to_model
from gateway.api.loans import LoanId
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.clients import Circulation, call
from gateway.negotiation import language
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1 import models

router = APIRouter(tags=["own loans"], route_class=ApiRoute)


class OwnLoan(ResponseModel):
    """One of the caller's loans."""

    loan: models.Loan
    """The loan."""
    refusals: list[Refusal]
    """Reasons why the loan cannot be renewed now; empty when it can be renewed."""


class OwnLoans(ResponseModel):
    """The caller's loans."""

    total: int = Field(description="Number of loans.", examples=[1])
    next: str | None = None
    """Null: the list has one page."""
    hits: list[OwnLoan]
    """The loans, the first due first."""
    suspension: models.Suspension | None = None
    """The suspension in force; absent when there is none."""


@router.get("/account/loans", **documented("The caller's own loans", "circulation.ListOwnLoans"))
async def list_own_loans(request: Request, query: NoParameters, circulation: Circulation) -> OwnLoans:
    """List the caller's open loans, each with the reasons against a renewal."""
    reply = await call(request, circulation.ListOwnLoans, wire.ListOwnLoansRequest())
    hits = [
        OwnLoan(
            loan=to_model(models.Loan, loan),
            refusals=[Refusal.of(refusal, language(request)) for refusal in reasons.refusals],
        )
        for loan, reasons in zip(reply.loans, reply.renewal_refusals, strict=True)
    ]
    return to_model(OwnLoans, reply, total=len(hits), hits=hits)


@router.get(
    "/account/loans/{loan_id}", **documented("One of the caller's own loans", "circulation.GetOwnLoan", errors=(404,))
)
async def get_own_loan(request: Request, loan_id: LoanId, query: NoParameters, circulation: Circulation) -> OwnLoan:
    """Return an own loan with the reasons against a renewal."""
    reply = await call(request, circulation.GetOwnLoan, wire.GetOwnLoanRequest(id=loan_id))
    refusals = [Refusal.of(refusal, language(request)) for refusal in reply.refusals]
    return OwnLoan(loan=to_model(models.Loan, reply.loan), refusals=refusals)


@router.post(
    "/account/loans/{loan_id}/renewals",
    **documented("Renew one of the caller's own loans", "circulation.RenewOwnLoan", errors=(404, 409)),
)
async def renew_own_loan(request: Request, loan_id: LoanId, circulation: Circulation) -> models.RenewedLoan:
    """Renew a loan, which moves its due date. A refusal lists all reasons."""
    reply = await call(request, circulation.RenewOwnLoan, wire.RenewOwnLoanRequest(id=loan_id))
    return to_model(models.RenewedLoan, reply)


@router.post(
    "/account/loan-renewals",
    **documented("Renew all of the caller's own loans", "circulation.RenewOwnLoans", errors=(404, 409)),
)
async def renew_own_loans(request: Request, circulation: Circulation) -> models.Renewals:
    """Renew every own loan that can be renewed. The response has the reasons against the other renewals."""
    reply = await call(request, circulation.RenewOwnLoans, wire.RenewOwnLoansRequest())
    return to_model(models.Renewals, reply, language(request))
