"""GET /branches/{institution}/{code}/hours: opening hours of a branch by day."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel, to_model
from chassis.queries import QueryModel, WholeNumber, number, text
from gateway.api.institutions import CodeInInstitution, InstitutionCode
from gateway.api.openapi import ApiRoute, documented
from gateway.clients import Circulation, call
from rangkiang.circulation.v1 import models
from rangkiang.circulation.v1 import rules_pb2 as wire

router = APIRouter(tags=["institutions"], route_class=ApiRoute)

# Staff may enter an emergency closing at any time, so the delay must not be more than one minute.
CACHE_CONTROL = "public, max-age=60"
MOST_DAYS = 14

# Days from 2000 to 2099, which the service accepts. Only the schema has the pattern: the service's reason is better.
_DAY = (
    "^20[0-9]{2}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)$"
    "|^20([02468][048]|[13579][26])-02-29$"
)


class HoursQuery(QueryModel):
    first: Annotated[str, WithJsonSchema({"type": "string", "pattern": _DAY})] = text(
        "First day, ISO 8601; by default today in the zone of the branch.", longest=10, alias="from"
    )
    days: Annotated[int, WholeNumber(1, MOST_DAYS)] = number(7, "Number of days.")


class ClosedDay(ResponseModel):
    """A closing that includes the day."""

    why: str = Field(description="Reason; empty when staff entered none.", examples=["Hari Raya Idul Fitri"])
    is_estimated: bool
    """True when the date is an estimate, such as that of a holiday of the lunar calendar."""


class OpeningDay(models.OpeningDay):
    """A day of a branch."""

    closed: ClosedDay | None = Field(
        None, description="The closing that includes the day; absent when there is none.", examples=[None]
    )


class OpeningHours(models.OpeningHours):
    """Opening hours of a branch by day."""

    days: list[OpeningDay] = Field(description="The days, in order.", max_length=MOST_DAYS)


@router.get(
    "/branches/{institution}/{code}/hours",
    **documented("Opening hours of a branch", "circulation.ListOpeningHours", errors=(404,), revalidates=True),
)
async def list_opening_hours(
    request: Request,
    response: Response,
    institution: InstitutionCode,
    code: CodeInInstitution,
    query: Annotated[HoursQuery, Query()],
    circulation: Circulation,
) -> OpeningHours:
    """List the hours and closings of each day, in the branch's zone. Hours of a mobile branch are its visits."""
    message = wire.ListOpeningHoursRequest(
        institution=institution, branches=[code], **{"from": query.first}, days=query.days
    )
    (hours,) = (await call(request, circulation.ListOpeningHours, message)).branches
    days = [to_model(OpeningDay, day, closed=_closed(day)) for day in hours.days]
    response.headers["Cache-Control"] = CACHE_CONTROL
    return to_model(OpeningHours, hours, days=days)


def _closed(day: wire.OpeningDay) -> ClosedDay | None:
    return ClosedDay(why=day.why, is_estimated=day.is_estimated) if day.is_closed else None
