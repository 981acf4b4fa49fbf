"""/desk/calendars: the calendars of the institution's branches, for managers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from chassis.branches import full_code
from chassis.errors import Error, NotFound
from chassis.models import choices
from gateway.clients import call, circulation
from gateway.negotiation import language
from gateway.request_guard import accept_bodies
from gateway.sessions import session_of
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.hits import local_text
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.circulation.v1 import rules_pb2 as wire

router = SignedInRouter()

DAYS = choices(wire.Weekday, "day")
MOST_SEASONS = 50
# Enough for as many closings and seasons with long reasons as the API allows, in any script.
_BODY_BYTES = 2 * 1024 * 1024
_MOST_FIELDS = 2_000
# Matches 08.00-16.00 and 8:00–16:00.
_INTERVAL = re.compile(r"([0-9]{1,2})[.:]([0-9]{2})\s*[-–—]\s*([0-9]{1,2})[.:]([0-9]{2})", re.ASCII)
# Separates the parts of a closing in one form value.
_SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Day:
    """A closing for templates; `value` is what the form sends."""

    value: str
    closing: wire.Closing

    @property
    def first(self) -> str:
        return str(getattr(self.closing, "from"))


@dataclass(frozen=True, slots=True)
class Hours:
    """Weekly hours for templates.

    first  first day, ISO 8601; "" since ever
    last   the day before the next ones begin; "" without any
    days   name of the weekday and its hours; "" on a closed day. Empty: the branch is open every day.
    """

    first: str
    last: str
    days: list[tuple[str, str]]


@router.get("/desk/calendars")
async def list_branches(request: Request) -> Response:
    """List the branches with links to their calendars."""
    reply = await call(request, circulation(request).ListBranches, wire.ListBranchesRequest())
    return page(request, "calendars.html", branches=[(branch, _name(request, branch)) for branch in reply.branches])


@router.get("/desk/calendars/{institution}/{code}")
async def show_calendar(request: Request) -> Response:
    calendar = await _calendar(request)
    note = "calendars.saved" if request.query_params.get("saved") else ""
    return await _page(request, signed_in_form(request, _values(calendar)), calendar, calendar.weeks, note=note)


@router.post("/desk/calendars/{institution}/{code}")
@accept_bodies(_BODY_BYTES)
async def save_calendar(request: Request) -> Response:
    """Save the calendar. The button of the holidays also adds the ticked holidays and confirms their year."""
    fields = await read_form(request, most_fields=_MOST_FIELDS)
    weeks = (await _calendar(request)).weeks
    calendar, errors = _read(request, fields, weeks)
    form = signed_in_form(request, {name: value for name, value in fields.items() if name not in ("csrf", "key")})
    form.values = {**_values(calendar), **form.values, "holiday": fields.many("holiday")}
    for name, sentence in errors.items():
        form.add_error(name, sentence)
    if errors:
        return await _page(request, form, calendar, weeks)
    try:
        reply = await call(request, circulation(request).PutCalendar, wire.PutCalendarRequest(calendar=calendar))
    except NotFound:
        raise
    except Error as problem:
        places = {
            str(refusal.facts.get("field", "")): _place(refusal.facts.get("field", "")) for refusal in problem.refusals
        }
        refuse(request, form, problem, {field: place for field, place in places.items() if place in form.values})
        return await _page(request, form, calendar, weeks)
    if reply.moved_total:
        form = signed_in_form(request, _values(reply.calendar))
        return await _page(request, form, reply.calendar, reply.calendar.weeks, note="calendars.saved", moved=reply)
    return redirect(f"{request.url.path}?saved=1")


async def _calendar(request: Request) -> wire.Calendar:
    message = wire.GetCalendarRequest(branch=_branch(request))
    return (await call(request, circulation(request).GetCalendar, message)).calendar


async def _page(
    request: Request,
    form: Form,
    calendar: wire.Calendar,
    weeks: Sequence[wire.DatedWeek],
    *,
    note: str = "",
    moved: wire.PutCalendarReply | None = None,
) -> Response:
    reply = await call(request, circulation(request).ListBranches, wire.ListBranchesRequest())
    branch = next((offered for offered in reply.branches if offered.code == calendar.branch), None)
    if branch is None:
        raise NotFound("ROUTE_NOT_FOUND")
    today = clock.now().astimezone(ZoneInfo(branch.zone)).date()
    if weeks:
        form.values = {"weekly_from": today.isoformat(), **form.values}
    hours = _hours(weeks, wording(language(request)))
    year = _year(request, today, calendar.confirmed_years)
    proposal = await call(request, circulation(request).ProposeHolidays, wire.ProposeHolidaysRequest(year=year))
    closings = [_day(closing) for closing in calendar.closed]
    session = session_of(request)
    return page(
        request,
        "calendar.html",
        branch=branch,
        name=_name(request, branch),
        form=form,
        days=DAYS,
        past_hours=[week for week in hours if week.last and week.last < today.isoformat()],
        hours=next((week for week in hours if week.first <= today.isoformat() <= (week.last or "9999")), None),
        coming_hours=[week for week in hours if week.first > today.isoformat()],
        closings=[day for day in closings if day.closing.to >= today.isoformat()],
        past=[day for day in closings if day.closing.to < today.isoformat()],
        seasons=range(len(calendar.seasons)),
        may_add_season=len(calendar.seasons) < MOST_SEASONS,
        confirmed_years=calendar.confirmed_years,
        year=year,
        years=sorted({today.year, today.year + 1, year}),
        holidays=[_day(closing) for closing in proposal.closed if not _is_closed(calendar, getattr(closing, "from"))],
        may_save=session is not None and "calendars.write" in session.account.scopes,
        note=note,
        moved=moved,
    )


def _hours(weeks: Sequence[wire.DatedWeek], words: Wording) -> list[Hours]:
    firsts = [str(getattr(week, "from")) for week in weeks]
    lasts = [(date.fromisoformat(first) - timedelta(days=1)).isoformat() for first in firsts[1:]]
    return [
        Hours(first, last, [(words.say(f"calendars.day.{day}"), _day_hours(week, day, words)) for day in DAYS])
        if week.weekly
        else Hours(first, last, [])
        for week, first, last in zip(weeks, firsts, [*lasts, ""], strict=False)
    ]


def _day_hours(week: wire.DatedWeek, name: str, words: Wording) -> str:
    hours = (interval for day in week.weekly if day.day == name for interval in day.hours)
    return ", ".join(f"{words.clock(interval.opens)}–{words.clock(interval.closes)}" for interval in hours)


def _year(request: Request, today: date, confirmed: Iterable[int]) -> int:
    """Return the year of the proposed holidays: `year=`, else this year, or next year when this one is confirmed."""
    text = request.query_params.get("year", "")
    if text.isascii() and text.isdigit() and 2000 <= int(text[:4]) <= 2100 and len(text) == 4:
        return int(text)
    return today.year + 1 if today.year in confirmed else today.year


def _is_closed(calendar: wire.Calendar, day: str) -> bool:
    return any(getattr(closing, "from") <= day <= closing.to for closing in calendar.closed)


def _values(calendar: wire.Calendar) -> dict[str, Any]:
    """Return the values of the form."""
    values: dict[str, Any] = {"version": str(calendar.version), **_week_values("weekly", calendar.weekly)}
    for number, season in enumerate(calendar.seasons):
        prefix = f"seasons[{number}]"
        values |= {f"{prefix}.from": getattr(season, "from"), f"{prefix}.to": season.to, f"{prefix}.why": season.why}
        values |= _week_values(f"{prefix}.weekly", season.weekly)
    return values


def _week_values(prefix: str, weekly: Iterable[wire.Weekday]) -> dict[str, str]:
    """Return the hours of each day as people write them: 08:00-11:30, 13:30-16:00."""
    values = {f"{prefix}.{day}": "" for day in DAYS}
    for weekday in weekly:
        hours = (f"{interval.opens}-{interval.closes}" for interval in weekday.hours)
        values[f"{prefix}.{weekday.day}"] = ", ".join(hours)
    return values


def _read(request: Request, fields: Fields, weeks: Sequence[wire.DatedWeek]) -> tuple[wire.Calendar, dict[str, str]]:
    """Return the calendar of a form, and sentences by field for hours that cannot be parsed.

    weeks  the stored weekly hours, from which the form removes coming ones
    """
    errors: dict[str, str] = {}
    wrong = wording(language(request)).say("calendars.hours_wrong")
    calendar = wire.Calendar(
        branch=_branch(request),
        version=fields.version(),
        weekly=_read_week(fields, "weekly", errors, wrong),
        weekly_from=fields.text("weekly_from"),
        closed=[closing for value in fields.many("closed") if (closing := _read_closing(value)) is not None],
        confirmed_years=[
            int(year) for year in fields.many("confirmed_year") if re.fullmatch("[0-9]{4}", year, re.ASCII)
        ],
    )
    if removed := fields.many("remove_week"):
        kept = [week for week in weeks if getattr(week, "from") not in removed]
        calendar.weeks.extend(kept or [wire.DatedWeek()])
    first = fields.text("new_from")
    if first:
        closing = calendar.closed.add(to=fields.text("new_to") or first, why=fields.text("new_why")[:200])
        setattr(closing, "from", first)
    year = fields.get("confirm", "")
    if re.fullmatch("[0-9]{4}", year, re.ASCII):
        holidays = (_read_closing(value) for value in fields.many("holiday"))
        calendar.closed.extend(closing for closing in holidays if closing is not None)
        if int(year) not in calendar.confirmed_years:
            calendar.confirmed_years.append(int(year))
    for number in range(MOST_SEASONS):
        prefix = f"seasons[{number}]"
        if f"{prefix}.from" not in fields:
            break
        if fields.get(f"{prefix}.remove") or not fields.text(f"{prefix}.from"):
            continue
        span = {
            "from": fields.text(f"{prefix}.from"),
            "to": fields.text(f"{prefix}.to") or fields.text(f"{prefix}.from"),
        }
        weekly = _read_week(fields, f"{prefix}.weekly", errors, wrong)
        calendar.seasons.append(wire.Season(**span, why=fields.text(f"{prefix}.why")[:200], weekly=weekly))
    return calendar, errors


def _read_week(fields: Fields, prefix: str, errors: dict[str, str], wrong: str) -> list[wire.Weekday]:
    week: list[wire.Weekday] = []
    for day in DAYS:
        text = fields.text(f"{prefix}.{day}")[:200]
        hours = [_INTERVAL.fullmatch(part.strip()) for part in re.split("[,;]", text) if part.strip()]
        if None in hours:
            errors[f"{prefix}.{day}"] = wrong
        elif hours:
            pairs = [[f"{int(match[at]):02}:{match[at + 1]}" for at in (1, 3)] for match in hours if match]
            week.append(
                wire.Weekday(day=day, hours=[wire.Interval(opens=opens, closes=closes) for opens, closes in pairs])
            )
    return week


def _day(closing: wire.Closing) -> Day:
    parts = (getattr(closing, "from"), closing.to, "1" if closing.is_estimated else "", closing.why)
    return Day(_SEPARATOR.join(parts), closing)


def _read_closing(value: str) -> wire.Closing | None:
    first, last, is_estimated, why = [*value.split(_SEPARATOR, 3), "", "", "", ""][:4]
    if not first:
        return None
    span: dict[str, Any] = {"from": first, "to": last}
    return wire.Closing(**span, why=why[:200], is_estimated=bool(is_estimated))


def _place(field: object) -> str:
    """Return the form field of a value that a refusal names: weekly.mon for weekly.mon[0]."""
    return re.sub(r"(\.[a-z]{3})\[[0-9]+\]$", r"\1", str(field))


def _branch(request: Request) -> str:
    """Return the full code of the branch in the path."""
    return full_code(request.path_params["institution"], request.path_params["code"])


def _name(request: Request, branch: wire.Branch) -> str:
    return local_text(branch.name, language(request)) or branch.code
