"""Routes to read and replace the calendar of a branch, and to list holidays that a manager can confirm."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.branches import BranchCode, full_code
from chassis.models import to_message, to_model
from gateway.api.institutions import CodeInInstitution, InstitutionCode
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.writes import Version, versioned
from gateway.clients import Circulation, call
from gateway.request_guard import accept_bodies
from rangkiang.circulation.v1 import models
from rangkiang.circulation.v1 import rules_pb2 as wire

router = APIRouter(tags=["lending rules"], route_class=ApiRoute)

LONGEST_BODY_BYTES = 512 * 1024


class CalendarBody(models.CalendarBody):
    """A whole calendar, in the form that GET returns."""

    branch: BranchCode | None = Field(None, description="Ignored: the path names the branch.")
    zone: str | None = Field(
        None, description="Ignored: the catalogue sets the zone.", max_length=64, examples=["Asia/Jakarta"]
    )
    version: int | None = Field(
        None, description="Ignored: If-Match names the version.", ge=0, le=1_000_000_000_000, examples=[3]
    )


@router.get(
    "/calendars/{institution}/{code}", **documented("Calendar of a branch", "circulation.GetCalendar", errors=(404,))
)
async def get_calendar(
    request: Request,
    response: Response,
    institution: InstitutionCode,
    code: CodeInInstitution,
    query: NoParameters,
    circulation: Circulation,
) -> models.Calendar:
    """Return the calendar of a branch. Before the first one is saved, the version is 0 and every day is open."""
    reply = await call(request, circulation.GetCalendar, wire.GetCalendarRequest(branch=full_code(institution, code)))
    # Version 0 has an ETag too, because the first PUT sends it as If-Match.
    return versioned(response, to_model(models.Calendar, reply.calendar), reply.calendar.version)


@router.put(
    "/calendars/{institution}/{code}",
    **documented("Replace the calendar of a branch", "circulation.PutCalendar", errors=(404,)),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def put_calendar(
    request: Request,
    response: Response,
    institution: InstitutionCode,
    code: CodeInInstitution,
    body: CalendarBody,
    circulation: Circulation,
    version: Version,
) -> models.SavedCalendar:
    """Validate and save a whole calendar, and move due dates off closed days.

    Other weekly hours change no past day: they are valid from `weekly_from` on, by default from today. Overlapping
    hours or seasons and reversed dates are refused, and then nothing is saved.
    """
    calendar = to_message(wire.Calendar, body, branch=full_code(institution, code), version=version)
    reply = await call(request, circulation.PutCalendar, wire.PutCalendarRequest(calendar=calendar))
    saved = to_model(models.SavedCalendar, reply)
    return versioned(response, saved, saved.version)


@router.get(
    "/holidays",
    **documented("Indonesian public holidays and joint leave days of a year", "circulation.ProposeHolidays"),
)
async def propose_holidays(
    request: Request, query: Annotated[models.HolidaysQuery, Query()], circulation: Circulation
) -> models.Holidays:
    """List days that a manager can confirm in a calendar. Lunar dates without a government decree are estimates."""
    reply = await call(request, circulation.ProposeHolidays, to_message(wire.ProposeHolidaysRequest, query))
    return to_model(models.Holidays, reply)
