"""POST /check-outs, /check-ins and /in-library-uses: acts at the desk on one item per request."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.clients import Circulation, call
from gateway.negotiation import language
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1 import models

router = APIRouter(tags=["lending"], route_class=ApiRoute)


class CheckOutBody(models.CheckOutBody):
    """An item and its borrower."""

    dry_run: StrictBool = Field(False, description="Only check the rules; needs no Idempotency-Key.", examples=[False])


@router.post(
    "/check-outs",
    **documented(
        "Lend an item",
        "circulation.CheckOut",
        errors=(404, 409),
        status=201,
        otherwise={200: "A dry run, or a scan that was repeated within 60 seconds."},
        has_dry_run=True,
    ),
)
async def check_out(
    request: Request, response: Response, body: CheckOutBody, circulation: Circulation
) -> models.CheckedOut:
    """Lend an item to a member. A refusal lists all reasons and changes nothing."""
    check_out = to_message(wire.CheckOutRequest, body)
    if body.dry_run:
        response.status_code = 200
        preview = await call(request, circulation.PreviewCheckOut, wire.PreviewCheckOutRequest(check_out=check_out))
        return to_model(models.CheckedOut, preview, repeated=False)
    reply = await call(request, circulation.CheckOut, check_out)
    response.status_code = 200 if reply.repeated else 201
    return to_model(models.CheckedOut, reply)


@router.post("/check-ins", **documented("Return an item", "circulation.CheckIn", errors=(404, 409)))
async def check_in(request: Request, body: models.ItemBody, circulation: Circulation) -> models.CheckedIn:
    """End the loan or the transit of an item. An item of another branch then goes into transit to that branch."""
    reply = await call(request, circulation.CheckIn, to_message(wire.CheckInRequest, body))
    return to_model(models.CheckedIn, reply, language(request))


@router.post(
    "/in-library-uses",
    **documented(
        "Count an in-library use",
        "circulation.UseInLibrary",
        errors=(404, 409),
        status=201,
        otherwise={200: "A scan that was repeated within 60 seconds."},
    ),
)
async def use_in_library(
    request: Request, response: Response, body: models.ItemBody, circulation: Circulation
) -> models.UsedInLibrary:
    """Count an in-library use of an item, such as a book that a reader left on a table."""
    reply = await call(request, circulation.UseInLibrary, to_message(wire.UseInLibraryRequest, body))
    response.status_code = 200 if reply.repeated else 201
    return to_model(models.UsedInLibrary, reply)
