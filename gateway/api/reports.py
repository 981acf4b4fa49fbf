"""GET /reports/lending: lending counts by ISO 2789; /reports/lending.csv for spreadsheets."""

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
from gateway.api.schemas import CSV_CONTENT
from gateway.clients import Circulation, call
from gateway.responses import csv_head, download
from rangkiang.circulation.v1 import models
from rangkiang.circulation.v1 import rules_pb2 as wire

router = APIRouter(tags=["lending rules"], route_class=ApiRoute)

COLUMNS: Final = (
    "branch", "collection", "class", "category", "month", "age_band", "sex", "audience", "language", "region",
    "channel",
)  # fmt: skip
COUNTS: Final = ("loans", "renewals", "returns", "in_library_uses", "refusals")


class LendingQuery(QueryModel):
    first: str = text("First day, ISO 8601.", longest=10, example="2026-01-01", required=True, alias="from")
    last: str = text("Last day, ISO 8601.", longest=10, example="2026-12-31", required=True, alias="to")
    by: Annotated[str, OneOf(COLUMNS)] = Field("branch", description="Column to group by.", examples=["class"])


@router.get("/reports/lending", **documented("Lending counts of a period", "circulation.ReportLending"))
async def report_lending(
    request: Request, query: Annotated[LendingQuery, Query()], circulation: Circulation
) -> models.LendingReport:
    """Sum the daily facts of ISO 2789. Later changes of items or members do not change these counts."""
    return to_model(models.LendingReport, await call(request, circulation.ReportLending, _message(query)))


@router.get(
    "/reports/lending.csv",
    response_class=Response,
    **documented("Lending counts of a period as CSV", "circulation.ReportLending", content=CSV_CONTENT),
)
async def report_lending_as_csv(
    request: Request, query: Annotated[LendingQuery, Query()], circulation: Circulation
) -> Response:
    """Sum the daily facts of ISO 2789, for spreadsheets."""
    reply = await call(request, circulation.ReportLending, _message(query))
    rows = (csv_line([count.value, *(getattr(count, name) for name in COUNTS)]) for count in reply.counts)
    return download(csv_head([query.by, *COUNTS]) + "".join(rows), "lending.csv")


def _message(query: LendingQuery) -> wire.ReportLendingRequest:
    return wire.ReportLendingRequest(**{"from": query.first, "to": query.last}, by=query.by)
