"""Routes to read and replace the calendar of a branch, and to list holidays that a manager can confirm."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.writes import Version, version_tag
from gateway.clients import Circulation, call
from gateway.request_guard import accept_bodies
from rangkiang.circulation.v1 import models
from rangkiang.circulation.v1 import rules_pb2 as wire

router = APIRouter(tags=["lending rules"], route_class=ApiRoute)

LONGEST_BODY_BYTES = 512 * 1024
ERRORS = (400, 401, 403, 404, 429, 503, 504)

BranchCode = Annotated[str, Path(description="Code of a branch of the institution.", max_length=64, examples=["PST"])]


class CalendarBody(models.CalendarBody):
    """A whole calendar, in the form that GET returns."""

    branch: str | None = Field(None, description="Ignored: the path names the branch.", max_length=64, examples=["PST"])
    zone: str | None = Field(
        None, description="Ignored: the catalogue sets the zone.", max_length=64, examples=["Asia/Jakarta"]
    )
    version: int | None = Field(
        None, description="Ignored: If-Match names the version.", ge=0, le=1_000_000_000_000, examples=[3]
    )


@router.get("/calendars/{branch}", **documented("Calendar of a branch", model=models.Calendar, errors=ERRORS))
async def get_calendar(request: Request, branch: BranchCode, query: NoParameters, circulation: Circulation) -> Response:
    """Return the calendar of a branch. Before the first one is saved, the version is 0 and every day is open."""
    reply = await call(request, circulation.GetCalendar, wire.GetCalendarRequest(branch=branch))
    return _respond(to_model(models.Calendar, reply.calendar))


@router.put(
    "/calendars/{branch}",
    **documented(
        "Replace the calendar of a branch",
        model=models.SavedCalendar,
        errors=ERRORS,
        method="/rangkiang.circulation.v1.Circulation/PutCalendar",
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def put_calendar(
    request: Request, branch: BranchCode, body: CalendarBody, circulation: Circulation, version: Version
) -> Response:
    """Validate and save a whole calendar, and move due dates off closed days.

    Other weekly hours change no past day: they are valid from `weekly_from` on, by default from today. Overlapping
    hours or seasons and reversed dates are refused, and then nothing is saved.
    """
    calendar = to_message(wire.Calendar, body, branch=branch, version=version)
    reply = await call(request, circulation.PutCalendar, wire.PutCalendarRequest(calendar=calendar))
    return _respond(to_model(models.SavedCalendar, reply))


@router.get(
    "/holidays",
    **documented(
        "Indonesian public holidays and joint leave days of a year",
        model=models.Holidays,
        errors=(400, 401, 403, 429, 503, 504),
    ),
)
async def propose_holidays(
    request: Request, query: Annotated[models.HolidaysQuery, Query()], circulation: Circulation
) -> Response:
    """List days that a manager can confirm in a calendar. Lunar dates without a government decree are estimates."""
    reply = await call(request, circulation.ProposeHolidays, to_message(wire.ProposeHolidaysRequest, query))
    return private(to_model(models.Holidays, reply))


def _respond(calendar: models.Calendar | models.SavedCalendar) -> Response:
    response = private(calendar)
    # Version 0 needs an ETag too, because the first PUT sends it as If-Match.
    response.headers["ETag"] = version_tag(calendar.version)
    return response
