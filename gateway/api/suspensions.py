"""Routes to list suspensions (JSON and CSV) and to end one early."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from chassis.output import csv_line
from gateway.api.loan_csv import CSV
from gateway.api.openapi import ApiRoute, documented
from gateway.api.schemas import JSON, MemberId
from gateway.clients import Circulation, call, circulation
from gateway.negotiation import preferred_media_type
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.circulation.v1 import models

router = APIRouter(tags=["loans"], route_class=ApiRoute)

# Most rows of one call, and of one file.
_PAGE, _MOST = 500, 50_000
# Spreadsheets read a file as UTF-8 only when it begins with the byte order mark.
_MARK: Final = "\ufeff"
_COLUMNS: Final = ("begins_on", "ends_on", "days", "group", "category", "card", "member")


@router.get(
    "/suspensions",
    response_model=models.Suspensions,
    **documented("Suspended members", "circulation.ListSuspensions", content={CSV: {"schema": {"type": "string"}}}),
)
async def list_suspensions(
    request: Request, query: Annotated[models.SuspensionsQuery, Query()], circulation: Circulation
) -> models.Suspensions | Response:
    """List the members who are suspended now, the first to end first. CSV has all pages."""
    message = to_message(wire.ListSuspensionsRequest, query)
    if preferred_media_type(request.headers.get("accept", ""), (JSON, CSV)) == CSV:
        return await suspensions_as_csv(request, message)
    return to_model(models.Suspensions, await call(request, circulation.ListSuspensions, message))


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
    lines = [_MARK + csv_line(_COLUMNS)]
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
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="suspensions.csv"'}
    return Response("".join(lines), media_type=f"{CSV}; charset=utf-8", headers=headers)
