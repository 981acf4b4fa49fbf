"""POST /check-outs, /check-ins and /in-library-uses: acts at the desk on one item per request."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel, to_message, to_model
from gateway.api.loans import ACT_ERRORS, SERVICE
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.clients import Circulation, call
from gateway.negotiation import language
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1 import models

router = APIRouter(tags=["lending"], route_class=ApiRoute)


class CheckOutBody(models.CheckOutBody):
    """An item and its borrower."""

    dry_run: StrictBool = Field(False, description="Only check the rules; needs no Idempotency-Key.", examples=[False])


def _or_ok(arguments: dict[str, Any], model: type[ResponseModel], description: str) -> dict[str, Any]:
    """Add a 200 response to the documentation of a route that returns 201."""
    arguments["responses"][200] = {"model": model, "description": description}
    return arguments


@router.post(
    "/check-outs",
    **_or_ok(
        documented(
            "Lend an item", model=models.CheckedOut, errors=ACT_ERRORS, method=f"{SERVICE}/CheckOut", status=201
        ),
        models.CheckedOut,
        "A dry run, or a scan that was repeated within 60 seconds.",
    ),
)
async def check_out(request: Request, body: CheckOutBody, circulation: Circulation) -> Response:
    """Lend an item to a member. A refusal lists all reasons and changes nothing."""
    check_out = to_message(wire.CheckOutRequest, body)
    if body.dry_run:
        preview = await call(request, circulation.PreviewCheckOut, wire.PreviewCheckOutRequest(check_out=check_out))
        return private(to_model(models.CheckedOut, preview, repeated=False))
    reply = await call(request, circulation.CheckOut, check_out)
    return private(to_model(models.CheckedOut, reply), status=200 if reply.repeated else 201)


@router.post(
    "/check-ins", **documented("Return an item", model=models.CheckedIn, errors=ACT_ERRORS, method=f"{SERVICE}/CheckIn")
)
async def check_in(request: Request, body: models.ItemBody, circulation: Circulation) -> Response:
    """End the loan or the transit of an item. An item of another branch then goes into transit to that branch."""
    reply = await call(request, circulation.CheckIn, to_message(wire.CheckInRequest, body))
    return private(to_model(models.CheckedIn, reply, language(request)))


@router.post(
    "/in-library-uses",
    **_or_ok(
        documented(
            "Count an in-library use",
            model=models.UsedInLibrary,
            errors=ACT_ERRORS,
            method=f"{SERVICE}/UseInLibrary",
            status=201,
        ),
        models.UsedInLibrary,
        "A scan that was repeated within 60 seconds.",
    ),
)
async def use_in_library(request: Request, body: models.ItemBody, circulation: Circulation) -> Response:
    """Count an in-library use of an item, such as a book that a reader left on a table."""
    reply = await call(request, circulation.UseInLibrary, to_message(wire.UseInLibraryRequest, body))
    return private(to_model(models.UsedInLibrary, reply), status=200 if reply.repeated else 201)
