"""Routes to list suspensions (JSON and CSV) and to end one early."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Body, ResponseModel
from chassis.spreadsheets import csv_line
from gateway.api.loan_csv import CSV
from gateway.api.loan_models import ACT_ERRORS, ERRORS, SERVICE, SUSPENSION_EXAMPLE, Suspension, suspension_model
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, WholeNumber, number, text
from gateway.api.schemas import JSON, MEMBER_ID_EXAMPLE, MemberId
from gateway.clients import Circulation, call, circulation
from gateway.negotiation import preferred_media_type
from rangkiang.circulation.v1 import loans_pb2 as wire

router = APIRouter(tags=["loans"], route_class=ApiRoute)

# Most rows of one call, and of one file.
_PAGE, _MOST = 500, 50_000
# Spreadsheets read a file as UTF-8 only when it begins with the byte order mark.
_MARK: Final = "\ufeff"
_COLUMNS: Final = ("begins_on", "ends_on", "days", "group", "category", "card", "member")


class SuspensionsQuery(QueryModel):
    cursor: str = text("The `next` value of the previous page.", longest=500)
    limit: Annotated[int, WholeNumber(1, 500)] = number(100, "Members on a page.")

    def message(self) -> wire.ListSuspensionsRequest:
        return wire.ListSuspensionsRequest(cursor=self.cursor, limit=self.limit)


class EndBody(Body):
    """Why a suspension ends early."""

    reason: str = Field(
        description="Reason, which the audit log keeps.", max_length=300, examples=["Tutup karena banjir"]
    )


class SuspendedMember(ResponseModel):
    """A suspended member, without the name."""

    member: str
    """Identifier (UUID) of the member."""
    card: str
    """Card number."""
    category: str
    """Code of the category."""
    group: str
    """Class or study programme."""
    suspension: Suspension
    """The suspensions in force and those that follow, as one period."""


class Suspensions(ResponseModel):
    """A page of suspended members."""

    total: int
    """Number of members on all pages."""
    hits: list[SuspendedMember]
    """The members; the suspension that ends first is first."""
    next: str | None = None
    """Cursor of the next page; absent on the last page."""


class EndedSuspension(ResponseModel):
    """The suspension that has ended."""

    suspension: Suspension
    """The suspension as it was."""


@router.get(
    "/suspensions",
    response_model=Suspensions,
    **documented(
        operation="list_suspensions",
        summary="Suspended members",
        example={
            "total": 1,
            "hits": [
                {
                    "member": MEMBER_ID_EXAMPLE, "card": "1000000018", "category": "umum", "group": "XI IPS 3",
                    "suspension": SUSPENSION_EXAMPLE,
                }
            ],
        },
        content={CSV: {"schema": {"type": "string"}}},
        errors=ERRORS,
    ),
)  # fmt: skip
async def list_suspensions(
    request: Request, query: Annotated[SuspensionsQuery, Query()], circulation: Circulation
) -> Response:
    """List the members who are suspended now, the first to end first. CSV has all pages."""
    if preferred_media_type(request.headers.get("accept", ""), (JSON, CSV)) == CSV:
        return await suspensions_as_csv(request, query.message())
    reply = await call(request, circulation.ListSuspensions, query.message())
    hits = [
        SuspendedMember(
            member=row.member_id, card=row.card, category=row.category, group=row.group,
            suspension=suspension_model(row.suspension),
        )
        for row in reply.suspensions
    ]  # fmt: skip
    return private(Suspensions(total=reply.total, hits=hits, next=reply.cursor or None))


@router.post(
    "/members/{member_id}/end-suspension",
    response_model=EndedSuspension,
    **documented(
        operation="end_suspension",
        summary="End a member's suspension early",
        example={"suspension": SUSPENSION_EXAMPLE},
        errors=ACT_ERRORS,
        method=f"{SERVICE}/EndSuspension",
    ),
)
async def end_suspension(request: Request, member_id: MemberId, body: EndBody, circulation: Circulation) -> Response:
    """End the suspensions in force and those that follow. The audit log keeps the reason."""
    message = wire.EndSuspensionRequest(member=member_id, reason=body.reason)
    reply = await call(request, circulation.EndSuspension, message)
    return private(EndedSuspension(suspension=suspension_model(reply.suspension)))


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
