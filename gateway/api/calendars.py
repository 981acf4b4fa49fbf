"""Routes to read and replace the calendar of a branch, and to list holidays that a manager can confirm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import TEXT_PATTERN, QueryModel, WholeNumber
from gateway.api.serializers import plain
from gateway.api.writes import Version, version_tag
from gateway.clients import Circulation, call
from gateway.request_guard import accept_bodies
from rangkiang.circulation.v1 import rules_pb2 as wire

router = APIRouter(tags=["lending rules"], route_class=ApiRoute)

LONGEST_BODY_BYTES = 512 * 1024
ERRORS = (400, 401, 403, 404, 429, 503, 504)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_CLOSINGS, MOST_SEASONS, MOST_YEARS, MOST_INTERVALS, MOST_WEEKS = 500, 50, 20, 6, 200

BranchCode = Annotated[str, Path(description="Code of a branch of the institution.", max_length=64, examples=["PST"])]
Time = Annotated[str, Field(max_length=5)]
Hours = list[Annotated[list[Time], Field(min_length=2, max_length=2)]]
_OFFICE = [["08:00", "16:00"]]
_FRIDAY = [["08:00", "11:30"], ["13:30", "16:00"]]


def _hours(day: str, example: list[list[str]]) -> Any:
    description = f"Opening hours on {day} as pairs of HH:MM times; an empty list when the branch is closed."
    return Field([], description=description, max_length=MOST_INTERVALS, examples=[example])


def _date(description: str, example: str, **more: Any) -> Any:
    return Field(description=f"{description}, ISO 8601.", max_length=10, examples=[example], **more)


class Week(BaseModel):
    """Opening hours of each weekday, in the branch's zone; in a week without any hours every day is open all day."""

    model_config = ConfigDict(extra="forbid")

    mon: Hours = _hours("Monday", _OFFICE)
    tue: Hours = _hours("Tuesday", _OFFICE)
    wed: Hours = _hours("Wednesday", _OFFICE)
    thu: Hours = _hours("Thursday", _OFFICE)
    fri: Hours = _hours("Friday", _FRIDAY)
    sat: Hours = _hours("Saturday", [["09:00", "13:00"]])
    sun: Hours = _hours("Sunday", [])

    def messages(self) -> list[wire.Weekday]:
        """Return one message for each day that has hours."""
        days = {day: getattr(self, day) for day in DAYS}
        return [
            wire.Weekday(day=day, hours=[wire.Interval(opens=opens, closes=closes) for opens, closes in hours])
            for day, hours in days.items()
            if hours
        ]


class DatedWeekBody(BaseModel):
    """Weekly hours from a first day until the next ones begin."""

    model_config = ConfigDict(extra="forbid")

    first: str = Field(
        "", alias="from", description="First day, ISO 8601; empty: since ever.", max_length=10, examples=["2026-12-07"]
    )
    weekly: Week = Field(description="Opening hours; without any, every day is open all day.")

    def message(self) -> wire.DatedWeek:
        return wire.DatedWeek(**{"from": self.first}, weekly=self.weekly.messages())


class ClosingBody(BaseModel):
    """A period in which the branch is closed, from the first to the last day inclusive."""

    model_config = ConfigDict(extra="forbid")

    first: str = _date("First day", "2026-03-18", alias="from")
    last: str = Field(
        "", alias="to", description="Last day, ISO 8601; by default the first.", max_length=10, examples=["2026-03-24"]
    )
    why: str = Field("", description="Reason.", max_length=200, pattern=TEXT_PATTERN, examples=["Idul Fitri"])
    is_estimated: StrictBool = Field(
        False, description="True when the date is an estimate, such as that of a holiday of the lunar calendar."
    )

    def message(self) -> wire.Closing:
        return wire.Closing(**{"from": self.first}, to=self.last, why=self.why, is_estimated=self.is_estimated)


class SeasonBody(BaseModel):
    """A period with other opening hours, from the first to the last day inclusive."""

    model_config = ConfigDict(extra="forbid")

    first: str = _date("First day", "2026-02-18", alias="from")
    last: str = _date("Last day", "2026-03-17", alias="to")
    why: str = Field("", description="Reason.", max_length=200, pattern=TEXT_PATTERN, examples=["Ramadan"])
    weekly: Week = Field(description="Opening hours of the season; without any, every day is open all day.")

    def message(self) -> wire.Season:
        span = {"from": self.first, "to": self.last}
        return wire.Season(**span, why=self.why, weekly=self.weekly.messages())


class CalendarBody(BaseModel):
    """A whole calendar, in the form that GET returns."""

    model_config = ConfigDict(extra="forbid")

    branch: str | None = Field(None, description="Ignored: the path names the branch.", max_length=64, examples=["PST"])
    zone: str | None = Field(
        None, description="Ignored: the catalogue sets the zone.", max_length=64, examples=["Asia/Jakarta"]
    )
    version: int | None = Field(
        None, description="Ignored: If-Match names the version.", ge=0, le=1_000_000_000_000, examples=[3]
    )
    weekly: Week = Field(
        Week(),
        description="Opening hours. Hours that differ from the stored ones are valid from `weekly_from` on; earlier "
        "days keep theirs. Without any, every day is open all day.",
    )
    weekly_from: str = _date(
        "First day of `weekly`; by default today, and for the first hours since ever", "2026-12-07", default=""
    )
    weeks: list[DatedWeekBody] = Field(
        [],
        description="All weekly hours by first day, in place of the stored ones, to correct them or to remove coming "
        "ones. Without any, the stored ones stay; with some, an empty `weekly` is ignored.",
        max_length=MOST_WEEKS,
    )
    closed: list[ClosingBody] = Field([], description="Closed days.", max_length=MOST_CLOSINGS)
    seasons: list[SeasonBody] = Field([], description="Periods with other hours.", max_length=MOST_SEASONS)
    confirmed_years: list[Annotated[int, Field(ge=0, le=9999)]] = Field(
        [], description="Years whose holidays a manager has confirmed.", max_length=MOST_YEARS, examples=[[2026]]
    )

    def message(self, branch: str, version: int) -> wire.Calendar:
        return wire.Calendar(
            branch=branch,
            version=version,
            weekly=self.weekly.messages(),
            weekly_from=self.weekly_from,
            weeks=[week.message() for week in self.weeks],
            closed=[closing.message() for closing in self.closed],
            seasons=[season.message() for season in self.seasons],
            confirmed_years=self.confirmed_years,
        )


class Closing(ResponseModel):
    """A period in which the branch is closed, from the first to the last day inclusive."""

    first: str = Field(alias="from")
    """First day, ISO 8601."""
    last: str = Field(alias="to")
    """Last day, ISO 8601."""
    why: str
    """Reason."""
    is_estimated: bool
    """True when the date is an estimate, such as that of a holiday of the lunar calendar."""


class Season(ResponseModel):
    """A period with other opening hours, from the first to the last day inclusive."""

    first: str = Field(alias="from")
    """First day, ISO 8601."""
    last: str = Field(alias="to")
    """Last day, ISO 8601."""
    why: str
    """Reason."""
    weekly: Week
    """Opening hours of the season."""


class DatedWeek(ResponseModel):
    """Weekly hours from a first day until the next ones begin."""

    first: str = Field(alias="from")
    """First day, ISO 8601; empty: since ever."""
    weekly: Week
    """Opening hours; without any, every day is open all day."""


class Calendar(ResponseModel):
    """The calendar of a branch: opening hours, closed days and seasons."""

    branch: str
    """Code of the branch."""
    version: int
    """Increases with each change; 0 for a branch without a calendar."""
    zone: str
    """IANA zone of the branch, from the catalogue."""
    weekly: Week
    """Opening hours of today; without any, every day is open all day."""
    weeks: list[DatedWeek]
    """All weekly hours, past, of today and coming, in order of first day."""
    closed: list[Closing]
    """Closed days, in order."""
    seasons: list[Season]
    """Periods with other hours, which have no day in common."""
    confirmed_years: list[int]
    """Years whose holidays a manager has confirmed."""


class MovedLoan(ResponseModel):
    """A loan that was due on a day that is now closed."""

    loan: str
    """Identifier of the loan."""
    member: str | None = None
    """Identifier of the borrower."""
    card: str
    """Number of the borrower's card."""
    barcode: str
    """Barcode of the item."""
    title: str
    """Title of the item."""
    was_due_on: str
    """Previous due date, ISO 8601."""
    due_on: str
    """New due date, ISO 8601: the next open day."""


class SavedCalendar(Calendar):
    """The saved calendar, and the loans whose due date it changed."""

    moved: list[MovedLoan]
    """The first of these loans, at most 500."""
    moved_total: int
    """Number of all these loans."""


class Holidays(ResponseModel):
    """Holidays of a year that a manager can confirm in a calendar."""

    total: int
    """Number of days."""
    hits: list[Closing]
    """One closing for each day, by date."""


class HolidaysQuery(QueryModel):
    year: Annotated[int, WholeNumber(2000, 2100)] = Field(description="Year.", examples=[2026])


_CLOSING = {"from": "2026-03-21", "to": "2026-03-21", "why": "Hari Raya Idul Fitri", "is_estimated": False}
_MOVED = {
    "loan": "0192f3a4-5b6c-7d8e-9f07-23456789abcd",
    "member": "0192f3a4-5b6c-7d8e-9f05-23456789abcd",
    "card": "1000000018",
    "barcode": "B00001",
    "title": "Robohnya Surau Kami",
    "was_due_on": "2026-03-21",
    "due_on": "2026-03-25",
}
_WEEK = {**dict.fromkeys(DAYS, _OFFICE), "fri": _FRIDAY, "sun": []}
_EXAMPLE = {
    "branch": "PST",
    "version": 3,
    "zone": "Asia/Jakarta",
    "weekly": _WEEK,
    "weeks": [{"from": "", "weekly": _WEEK}, {"from": "2026-12-07", "weekly": {**_WEEK, "sun": [["09:00", "13:00"]]}}],
    "closed": [_CLOSING],
    "seasons": [{"from": "2026-02-18", "to": "2026-03-17", "why": "Ramadan", "weekly": _WEEK}],
    "confirmed_years": [2026],
}


@router.get(
    "/calendars/{branch}",
    response_model=Calendar,
    **documented(operation="get_calendar", summary="Calendar of a branch", example=_EXAMPLE, errors=ERRORS),
)
async def get(
    request: Request, branch: BranchCode, query: Annotated[QueryModel, Query()], circulation: Circulation
) -> Response:
    """Return the calendar of a branch. Before the first one is saved, the version is 0 and every day is open."""
    return _calendar((await call(request, circulation.GetCalendar, wire.GetCalendarRequest(branch=branch))).calendar)


@router.put(
    "/calendars/{branch}",
    response_model=SavedCalendar,
    **documented(
        operation="put_calendar",
        summary="Replace the calendar of a branch",
        example={**_EXAMPLE, "moved": [_MOVED], "moved_total": 1},
        errors=ERRORS,
        method="/rangkiang.circulation.v1.Circulation/PutCalendar",
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def put(
    request: Request, branch: BranchCode, body: CalendarBody, circulation: Circulation, version: Version
) -> Response:
    """Validate and save a whole calendar, and move due dates off closed days.

    Other weekly hours change no past day: they are valid from `weekly_from` on, by default from today. Overlapping
    hours or seasons and reversed dates are refused, and then nothing is saved.
    """
    message = wire.PutCalendarRequest(calendar=body.message(branch, version))
    reply = await call(request, circulation.PutCalendar, message)
    moved = [MovedLoan(loan=loan.loan_id, member=loan.member_id or None, **_due_days(loan)) for loan in reply.moved]
    return _respond(SavedCalendar(**_values(reply.calendar), moved=moved, moved_total=reply.moved_total))


@router.get(
    "/holidays",
    response_model=Holidays,
    **documented(
        operation="propose_holidays",
        summary="Indonesian public holidays and joint leave days of a year",
        example={"total": 1, "hits": [_CLOSING]},
        errors=(400, 401, 403, 429, 503, 504),
    ),
)
async def holidays(request: Request, query: Annotated[HolidaysQuery, Query()], circulation: Circulation) -> Response:
    """List days that a manager can confirm in a calendar. Lunar dates without a government decree are estimates."""
    reply = await call(request, circulation.ProposeHolidays, wire.ProposeHolidaysRequest(year=query.year))
    hits = [Closing(**plain(closing)) for closing in reply.closed]
    return private(Holidays(total=len(hits), hits=hits))


def _calendar(message: wire.Calendar) -> Response:
    return _respond(Calendar(**_values(message)))


def _respond(calendar: Calendar) -> Response:
    response = private(calendar)
    # Version 0 needs an ETag too, because the first PUT sends it as If-Match.
    response.headers["ETag"] = version_tag(calendar.version)
    return response


def _values(message: wire.Calendar) -> dict[str, Any]:
    values = plain(message) | {"weekly": _week(message.weekly)}
    del values["weekly_from"]  # of requests
    for name in ("weeks", "seasons"):
        for part, values_of_part in zip(getattr(message, name), values[name], strict=True):
            values_of_part["weekly"] = _week(part.weekly)
    return values


def _due_days(loan: wire.MovedLoan) -> dict[str, str]:
    return {name: getattr(loan, name) for name in ("card", "barcode", "title", "was_due_on", "due_on")}


def _week(days: Iterable[wire.Weekday]) -> dict[str, list[list[str]]]:
    return {day.day: [[interval.opens, interval.closes] for interval in day.hours] for day in days}
