"""GET /reports/lending: lending counts by ISO 2789, as JSON or as CSV for spreadsheets."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_model
from chassis.output import csv_line
from chassis.queries import OneOf, QueryModel, text
from gateway.api.openapi import ApiRoute, documented
from gateway.api.schemas import JSON
from gateway.clients import Circulation, call
from gateway.negotiation import preferred_media_type
from rangkiang.circulation.v1 import models
from rangkiang.circulation.v1 import rules_pb2 as wire

router = APIRouter(tags=["lending rules"], route_class=ApiRoute)

CSV: Final = "text/csv"
COLUMNS: Final = (
    "branch", "collection", "class", "category", "month", "age_band", "sex", "audience", "language", "region",
    "channel",
)  # fmt: skip
COUNTS: Final = ("loans", "renewals", "returns", "in_library_uses", "refusals")


class LendingQuery(QueryModel):
    first: str = text("First day, ISO 8601.", longest=10, example="2026-01-01", required=True, alias="from")
    last: str = text("Last day, ISO 8601.", longest=10, example="2026-12-31", required=True, alias="to")
    by: Annotated[str, OneOf(COLUMNS)] = Field("branch", description="Column to group by.", examples=["class"])
    format: Annotated[str, OneOf(("json", "csv"))] = Field(
        "", description="Format of the response, for clients that cannot set Accept.", examples=["csv"]
    )


@router.get(
    "/reports/lending",
    response_model=models.LendingReport,
    **documented(
        "Lending counts of a period", "circulation.ReportLending", content={CSV: {"schema": {"type": "string"}}}
    ),
)
async def report_lending(
    request: Request, query: Annotated[LendingQuery, Query()], circulation: Circulation
) -> models.LendingReport | Response:
    """Sum the daily facts of ISO 2789. Later changes of items or members do not change these counts."""
    message = wire.ReportLendingRequest(**{"from": query.first, "to": query.last}, by=query.by)
    reply = await call(request, circulation.ReportLending, message)
    accepted = preferred_media_type(request.headers.get("accept", ""), (JSON, CSV))
    if query.format == "csv" or (not query.format and accepted == CSV):
        return _csv(query.by, [[count.value, *(getattr(count, name) for name in COUNTS)] for count in reply.counts])
    return to_model(models.LendingReport, reply)


def _csv(by: str, rows: list[list[str | int]]) -> Response:
    """Respond with the table as CSV (RFC 4180), with the byte order mark that spreadsheets need to detect UTF-8."""
    content = "\ufeff" + csv_line([by, *COUNTS]) + "".join(csv_line(row) for row in rows)
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="lending.csv"'}
    return Response(content, media_type=f"{CSV}; charset=utf-8", headers=headers)
