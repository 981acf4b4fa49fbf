"""Reports: what was lent, as ISO 2789 counts it; as JSON, or as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.spreadsheets import spreadsheet_cell
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import OneOf, QueryModel, text
from gateway.api.schemas import JSON, ResponseModel
from gateway.api.serializers import plain
from gateway.clients import Circulation, call
from gateway.negotiation import preferred_media_type
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
    by: Annotated[str, OneOf(COLUMNS)] = Field("branch", description="Column to sum by.", examples=["class"])
    format: Annotated[str, OneOf(("json", "csv"))] = Field(
        "", description="As Accept, for clients that can only use a URL.", examples=["csv"]
    )


class LendingCount(ResponseModel):
    """Counts of one value of the column."""

    value: str
    """The value; empty when it is unknown. A class is a main class of Dewey, or one of the library's own."""
    loans: int
    """Items lent, without renewals."""
    renewals: int
    """Renewals."""
    returns: int
    """Items returned."""
    in_library_uses: int
    """Items that were used in the library."""
    refusals: int
    """Reasons for which an act was refused; only by branch and by month."""


class LendingReport(ResponseModel):
    """What was lent in some days."""

    total: int
    """Number of values."""
    hits: list[LendingCount]
    """In the order of their values."""


_EXAMPLE = {"value": "800", "loans": 412, "renewals": 96, "returns": 405, "in_library_uses": 31, "refusals": 0}


@router.get(
    "/reports/lending",
    response_model=LendingReport,
    **documented(
        operation="report_lending",
        summary="What was lent",
        example={"total": 1, "hits": [_EXAMPLE]},
        errors=(400, 401, 403, 429, 503, 504),
        content={CSV: {"schema": {"type": "string"}}},
    ),
)
async def lending(request: Request, query: Annotated[LendingQuery, Query()], circulation: Circulation) -> Response:
    """Sums of the daily facts of ISO 2789, which no later change of an item or a member alters."""
    message = wire.ReportLendingRequest(**{"from": query.first, "to": query.last}, by=query.by)
    counts = (await call(request, circulation.ReportLending, message)).counts
    accepted = preferred_media_type(request.headers.get("accept", ""), (JSON, CSV))
    if query.format == "csv" or (not query.format and accepted == CSV):
        return _csv(query.by, [[count.value, *(getattr(count, name) for name in COUNTS)] for count in counts])
    return private(LendingReport(total=len(counts), hits=[LendingCount(**plain(count)) for count in counts]))


def _csv(by: str, rows: list[list[str | int]]) -> Response:
    """Write the table as RFC 4180, with the byte order mark that spreadsheets need to read UTF-8."""
    buffer = io.StringIO("\ufeff")
    buffer.seek(0, io.SEEK_END)
    writer = csv.writer(buffer)
    writer.writerow([by, *COUNTS])
    for value, *counts in rows:
        writer.writerow([spreadsheet_cell(str(value)), *counts])
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="lending.csv"'}
    return Response(buffer.getvalue(), media_type=f"{CSV}; charset=utf-8", headers=headers)
