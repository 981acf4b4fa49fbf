"""Routes to list and renew the caller's own loans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel
from gateway.api.loan_models import (
    ACT_ERRORS,
    ERRORS,
    LOAN_EXAMPLE,
    REFUSAL_EXAMPLE,
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
from gateway.api.loans import RenewedLoan
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel
from gateway.api.schemas import Refusal
from gateway.clients import Circulation, call
from gateway.negotiation import language
from rangkiang.circulation.v1 import loans_pb2 as wire

router = APIRouter(tags=["own loans"], route_class=ApiRoute)


class OwnLoan(ResponseModel):
    """One of the caller's loans."""

    loan: Loan
    """The loan."""
    refusals: list[Refusal]
    """Reasons why the loan cannot be renewed now; empty when it can be renewed."""


class OwnLoans(ResponseModel):
    """The caller's loans."""

    total: int
    """Number of loans."""
    hits: list[OwnLoan]
    """The loans, the first due first."""
    suspension: Suspension | None = None
    """The suspension in force; absent when there is none."""


@router.get(
    "/account/loans",
    response_model=OwnLoans,
    **documented(
        operation="list_own_loans",
        summary="The caller's own loans",
        example={
            "total": 2,
            "hits": [
                {"loan": LOAN_EXAMPLE, "refusals": []},
                {"loan": {**LOAN_EXAMPLE, "renewals": 1, "renewals_left": 0}, "refusals": [REFUSAL_EXAMPLE]},
            ],
        },
        errors=ERRORS,
    ),
)
async def list_own(request: Request, query: Annotated[QueryModel, Query()], circulation: Circulation) -> Response:
    """List the caller's open loans, each with the reasons against a renewal."""
    reply = await call(request, circulation.ListOwnLoans, wire.ListOwnLoansRequest())
    hits = [
        OwnLoan(loan=loan_model(loan), refusals=refusal_models(list(reasons.refusals), language(request)))
        for loan, reasons in zip(reply.loans, reply.renewal_refusals, strict=True)
    ]
    suspension = suspension_model(reply.suspension) if reply.HasField("suspension") else None
    return private(OwnLoans(total=len(hits), hits=hits, suspension=suspension))


@router.post(
    "/account/loans/{loan_id}/renew",
    response_model=RenewedLoan,
    **documented(
        operation="renew_own_loan",
        summary="Renew one of the caller's own loans",
        example={"loan": {**LOAN_EXAMPLE, "renewals": 1, "renewals_left": 0, "version": 2}},
        errors=ACT_ERRORS,
        method=f"{SERVICE}/RenewOwnLoan",
    ),
)
async def renew_own(request: Request, loan_id: LoanId, circulation: Circulation) -> Response:
    """Renew a loan, which moves its due date. A refusal lists all reasons."""
    reply = await call(request, circulation.RenewOwnLoan, wire.RenewOwnLoanRequest(id=loan_id))
    return private(RenewedLoan(loan=loan_model(reply.loan)))


@router.post(
    "/account/loans/renew-all",
    response_model=Renewals,
    **documented(
        operation="renew_own_loans",
        summary="Renew all of the caller's own loans",
        example=RENEWALS_EXAMPLE,
        errors=ACT_ERRORS,
        method=f"{SERVICE}/RenewOwnLoans",
    ),
)
async def renew_all_own(request: Request, circulation: Circulation) -> Response:
    """Renew every own loan that can be renewed. The response has the reasons against the other renewals."""
    reply = await call(request, circulation.RenewOwnLoans, wire.RenewOwnLoansRequest())
    return private(renewals_model(list(reply.renewals), language(request)))
