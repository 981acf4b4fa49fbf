"""Routes to list suspensions, also as CSV, and to end one early."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from chassis.output import csv_line
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import CSV_CONTENT, MemberId
from gateway.clients import Circulation, call, circulation
from gateway.responses import csv_head, download
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1 import models

router = APIRouter(tags=["loans"], route_class=ApiRoute)

# Most rows of one call, and of one file.
_PAGE, _MOST = 500, 50_000
_COLUMNS: Final = ("begins_on", "ends_on", "days", "group", "category", "card", "member")


@router.get("/suspensions", **documented("Suspended members", "circulation.ListSuspensions"))
async def list_suspensions(
    request: Request, query: Annotated[models.SuspensionsQuery, Query()], circulation: Circulation
) -> models.Suspensions:
    """List the members who are suspended now, the first to end first."""
    message = to_message(wire.ListSuspensionsRequest, query)
    return to_model(models.Suspensions, await call(request, circulation.ListSuspensions, message))


@router.get(
    "/suspensions.csv",
    response_class=Response,
    **documented("Suspended members as CSV", "circulation.ListSuspensions", content=CSV_CONTENT),
)
async def list_suspensions_as_csv(request: Request, query: NoParameters) -> Response:
    """List the members who are suspended now in one file, the first to end first."""
    return await suspensions_as_csv(request, wire.ListSuspensionsRequest())


@router.post(
    "/members/{member_id}/suspension-waivers",
    **documented("End a member's suspension early", "circulation.EndSuspension", errors=(404, 409)),
)
async def end_suspension(
    request: Request, member_id: MemberId, body: models.EndBody, circulation: Circulation
) -> models.EndedSuspension:
    """End the suspensions in force and those that follow. The audit log keeps the reason."""
    message = to_message(wire.EndSuspensionRequest, body, member=member_id)
    reply = await call(request, circulation.EndSuspension, message)
    return to_model(models.EndedSuspension, reply)


async def suspensions_as_csv(request: Request, message: wire.ListSuspensionsRequest) -> Response:
    """Respond with all pages of suspended members in one file, at most the first 50,000."""
    lines = [csv_head(_COLUMNS)]
    message.limit = _PAGE
    while True:
        reply = await call(request, circulation(request).ListSuspensions, message)
        for row in reply.suspensions:
            span = row.suspension
            cells = (span.begins_on, span.ends_on, span.days, row.group, row.category, row.card, row.member_id)
            lines.append(csv_line(cells))
        if not reply.cursor or len(lines) > _MOST:
            break
        message.cursor = reply.cursor
    return download("".join(lines), "suspensions.csv")
