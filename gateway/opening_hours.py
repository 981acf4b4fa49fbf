"""Opening hours of a branch at a moment: open until when, or closed until when. Pure; times are those of its zone."""

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

    hours      pairs of "HH:MM", in order and apart; none when it is closed
    is_closed  a closing includes the day; `why` is its reason
    season     name of the season whose hours these are; "" for the usual ones
    """

    date: date
    hours: tuple[tuple[str, str], ...] = ()
    is_closed: bool = False
    why: str = ""
    is_estimated: bool = False
    season: str = ""


# By identity, because sentences about it are cached.
@dataclass(frozen=True, slots=True, eq=False)
class OpeningHours:
    """The next days of a branch, in order; `has_hours` is False when its library has entered none."""

    zone: str
    has_hours: bool
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Whether a branch is open at a moment.

    local      that moment in the zone of the branch
    today      None when the days do not include it
    closes_at  end of the hours that include the moment; None when it is closed. Hours until midnight go on with those
               of the next day that begin then
    opens_at   when it opens the next time; None when it does not within the days that are known
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
        """Whether hours of today are over; then the closed time before the next ones is a break."""
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
    """Return whether a branch is open at an aware moment."""
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
    """Return the days from the day of a state on, at most `count`."""
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
