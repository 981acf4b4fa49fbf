"""Whether a branch is open at a moment, and when it closes or opens next. Pure; times are in the branch's zone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rangkiang.circulation.v1 import rules_pb2 as wire

_END_OF_DAY = "24:00"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a branch.

    hours      pairs of "HH:MM", in order, without overlap; empty when the branch is closed
    is_closed  True when a closing includes the day; `why` is its reason
    season     name of the season that sets the hours; "" for the usual hours
    """

    date: date
    hours: tuple[tuple[str, str], ...] = ()
    is_closed: bool = False
    why: str = ""
    is_estimated: bool = False
    season: str = ""


# Compared by identity, because sentences about the hours are cached by object.
@dataclass(frozen=True, slots=True, eq=False)
class OpeningHours:
    """The next days of a branch, in order. `has_hours` is False when the library has entered no hours."""

    zone: str
    has_hours: bool
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Whether a branch is open at a moment.

    local      the moment in the branch's zone
    today      the day of the moment; None when it is not among the known days
    closes_at  end of the hours that include the moment; None when the branch is closed. Hours until midnight continue
               with hours of the next day that begin at midnight
    opens_at   next opening; None when there is none within the known days
    """

    local: datetime
    today: Day | None
    closes_at: datetime | None
    opens_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.closes_at is not None

    @property
    def opens_again_today(self) -> bool:
        return self.opens_at is not None and self.opens_at.date() == self.local.date()

    @property
    def has_been_open_today(self) -> bool:
        """Whether some hours of today are over; if so, closed time before the next hours is a break."""
        return self.today is not None and any(closes <= f"{self.local:%H:%M}" for _, closes in self.today.hours)


def read_hours(message: wire.OpeningHours) -> OpeningHours:
    days = (
        Day(
            date=date.fromisoformat(day.date),
            hours=tuple((interval.opens, interval.closes) for interval in day.hours),
            is_closed=day.is_closed,
            why=day.why,
            is_estimated=day.is_estimated,
            season=day.season,
        )
        for day in message.days
    )
    return OpeningHours(zone=message.zone, has_hours=message.has_hours, days=tuple(days))


def state_at(hours: OpeningHours, moment: datetime) -> State:
    """Return the state of a branch at a moment, which must be aware."""
    zone = ZoneInfo(hours.zone)
    local = moment.astimezone(zone)
    today = next((day for day in hours.days if day.date == local.date()), None)
    closes_at = opens_at = None
    for opens, closes in _spans(hours.days, zone):
        if opens <= local < closes:
            closes_at = closes
        elif opens > local:
            opens_at = opens
            break
    return State(local=local, today=today, closes_at=closes_at, opens_at=opens_at)


def days_from(hours: OpeningHours, state: State, count: int) -> list[Day]:
    """Return at most `count` days, beginning with the day of `state`."""
    return [day for day in hours.days if day.date >= state.local.date()][:count]


def _spans(days: Iterable[Day], zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    spans: list[tuple[datetime, datetime]] = []
    for day in days:
        for opens, closes in day.hours:
            begin, end = _at(day.date, opens, zone), _at(day.date, closes, zone)
            if spans and spans[-1][1] == begin:
                spans[-1] = spans[-1][0], end
            else:
                spans.append((begin, end))
    return spans


def _at(day: date, text: str, zone: ZoneInfo) -> datetime:
    if text == _END_OF_DAY:
        return datetime.combine(day + _DAY, time(), zone)
    return datetime.combine(day, time.fromisoformat(text), zone)
