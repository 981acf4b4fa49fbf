"""POST /check-outs, /check-ins and /in-library-uses: acts at the desk on one item per request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import AfterValidator, AwareDatetime, Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Body, ResponseModel
from gateway.api.loan_models import (
    ACT_ERRORS,
    ITEM_EXAMPLE,
    LOAN_EXAMPLE,
    SERVICE,
    SUSPENSION_EXAMPLE,
    Code,
    LentItem,
    Loan,
    Suspension,
    item_model,
    loan_model,
    refusal_models,
    suspension_model,
)
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.schemas import Refusal
from gateway.clients import Circulation, call
from gateway.negotiation import language
from rangkiang.circulation.v1 import loans_pb2 as wire

router = APIRouter(tags=["lending"], route_class=ApiRoute)

_MOST_OVERRIDES = 20
_AT = "Time of an act recorded on paper, ISO 8601 with zone, at most 7 days ago; by default now. Needs loans.at."


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # UTC moves the time before year 1 or after year 9999
        raise ValueError(moment) from None


class ItemBody(Body):
    """An item and the desk's branch."""

    item: Code = Field(description="Id of an item, or a barcode as scanned.", examples=["KS0015001"])
    branch: str = Field(description="Code of the desk's branch.", max_length=64, examples=["PST"])
    at: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = Field(
        None, description=_AT, examples=["2026-11-26T10:15:00+07:00"]
    )

    def moment(self) -> Timestamp | None:
        """Return `at` as a message, or None when it is absent."""
        if self.at is None:
            return None
        timestamp = Timestamp()
        timestamp.FromDatetime(self.at)
        return timestamp


class CheckOutBody(ItemBody):
    """An item and its borrower."""

    member: Code = Field(description="Id of a member, or a card number as scanned.", examples=["1000000018"])
    dry_run: StrictBool = Field(False, description="Only check the rules; needs no Idempotency-Key.", examples=[False])
    override: list[str] = Field(
        [],
        description="Reasons of refusals that the caller waives; needs loans.override and a reason.",
        max_length=_MOST_OVERRIDES,
        examples=[["LOAN_LIMIT_REACHED"]],
    )
    reason: str = Field("", description="Reason for the waiver.", max_length=300, examples=["Lomba literasi besok"])

    def message(self) -> wire.CheckOutRequest:
        return wire.CheckOutRequest(
            member=self.member,
            item=self.item,
            branch=self.branch,
            at=self.moment(),
            override=self.override,
            reason=self.reason,
        )


class CheckedOut(ResponseModel):
    """The loan of an item; of a dry run, the loan that would be made."""

    loan: Loan
    """The loan."""
    repeated: bool
    """True when the scan repeats one of the last 60 seconds: nothing was changed."""


class CheckedIn(ResponseModel):
    """An item that was returned."""

    item: LentItem
    """The item."""
    loan: Loan | None = None
    """The loan that ended; absent when the item was not lent."""
    next: Literal["shelve", "transit", "nothing"]
    """Where the item goes: to the shelf of this branch, to another branch, or nowhere."""
    to: str
    """Code of the destination branch when `next` is `transit`."""
    suspension: Suspension | None = None
    """The borrower's suspension that this return caused."""
    notes: list[Refusal]
    """Notes for the desk."""
    repeated: bool
    """True when the scan repeats one of the last 60 seconds: nothing was changed."""


class UsedInLibrary(ResponseModel):
    """An item that was read in the library."""

    item: LentItem
    """The item."""
    repeated: bool
    """True when the scan repeats one of the last 60 seconds: nothing was counted."""


def _or_ok(arguments: dict[str, Any], model: type[ResponseModel], description: str) -> dict[str, Any]:
    """Add a 200 response to the documentation of a route that returns 201."""
    arguments["responses"][200] = {"model": model, "description": description}
    return arguments


@router.post(
    "/check-outs",
    response_model=CheckedOut,
    status_code=201,
    **_or_ok(
        documented(
            operation="check_out",
            summary="Lend an item",
            example={"loan": LOAN_EXAMPLE, "repeated": False},
            errors=ACT_ERRORS,
            method=f"{SERVICE}/CheckOut",
            status=201,
        ),
        CheckedOut,
        "A dry run, or a scan that was repeated within 60 seconds.",
    ),
)
async def check_out(request: Request, body: CheckOutBody, circulation: Circulation) -> Response:
    """Lend an item to a member. A refusal lists all reasons and changes nothing."""
    if body.dry_run:
        message = wire.PreviewCheckOutRequest(check_out=body.message())
        loan = (await call(request, circulation.PreviewCheckOut, message)).loan
        return private(CheckedOut(loan=loan_model(loan), repeated=False))
    reply = await call(request, circulation.CheckOut, body.message())
    status = 200 if reply.repeated else 201
    return private(CheckedOut(loan=loan_model(reply.loan), repeated=reply.repeated), status=status)


@router.post(
    "/check-ins",
    response_model=CheckedIn,
    **documented(
        operation="check_in",
        summary="Return an item",
        example={
            "item": ITEM_EXAMPLE,
            "loan": {**LOAN_EXAMPLE, "returned_at": "2026-12-07T02:00:00Z"},
            "next": "shelve",
            "to": "",
            "suspension": SUSPENSION_EXAMPLE,
            "notes": [],
            "repeated": False,
        },
        errors=ACT_ERRORS,
        method=f"{SERVICE}/CheckIn",
    ),
)
async def check_in(request: Request, body: ItemBody, circulation: Circulation) -> Response:
    """End the loan or the transit of an item. An item of another branch then goes into transit to that branch."""
    message = wire.CheckInRequest(item=body.item, branch=body.branch, at=body.moment())
    reply = await call(request, circulation.CheckIn, message)
    return private(
        CheckedIn(
            item=item_model(reply.item),
            loan=loan_model(reply.loan) if reply.HasField("loan") else None,
            next=reply.next,
            to=reply.to,
            suspension=suspension_model(reply.suspension) if reply.HasField("suspension") else None,
            notes=refusal_models(list(reply.notes), language(request)),
            repeated=reply.repeated,
        )
    )


@router.post(
    "/in-library-uses",
    response_model=UsedInLibrary,
    status_code=201,
    **_or_ok(
        documented(
            operation="use_in_library",
            summary="Count an in-library use",
            example={"item": ITEM_EXAMPLE, "repeated": False},
            errors=ACT_ERRORS,
            method=f"{SERVICE}/UseInLibrary",
            status=201,
        ),
        UsedInLibrary,
        "A scan that was repeated within 60 seconds.",
    ),
)
async def use_in_library(request: Request, body: ItemBody, circulation: Circulation) -> Response:
    """Count an in-library use of an item, such as a book that a reader left on a table."""
    message = wire.UseInLibraryRequest(item=body.item, branch=body.branch, at=body.moment())
    reply = await call(request, circulation.UseInLibrary, message)
    status = 200 if reply.repeated else 201
    return private(UsedInLibrary(item=item_model(reply.item), repeated=reply.repeated), status=status)
