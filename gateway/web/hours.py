"""Opening hours in words: whether a branch is open now, when this changes, and the hours of the week."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from chassis import clock
from gateway.opening_hours import Day, OpeningHours, State, days_from, state_at
from gateway.web.texts import Wording, wording

A_WEEK = 7
# A mobile branch has visits in place of opening hours.
MOBILE = "mobile"
_MINUTE = timedelta(minutes=1)
_AN_HOUR = timedelta(hours=1)
_A_DAY = timedelta(days=1)


class Now(NamedTuple):
    """Whether a branch is open now, in words.

    short  for lists: Buka sampai 16.00
    long   for its page: Buka hari ini 08.00–16.00 · tutup 2 jam lagi
    """

    is_open: bool
    short: str
    long: str


def now_in_words(hours: OpeningHours | None, language: str, kind: str = "") -> Now | None:
    """Return whether a branch is open now; None when its hours are not known.

    kind  kind of the branch, such as "mobile"
    """
    if hours is None or not _says_something(hours):
        return None
    # Rounded to minutes for the cache of `_now`: sentences change at most once a minute.
    return _now(hours, clock.now().replace(second=0, microsecond=0), language, kind)


def week(hours: OpeningHours | None, language: str) -> list[dict[str, Any]]:
    """Return the next seven days for templates; empty when the hours are not known."""
    if hours is None or not _says_something(hours):
        return []
    state, words = state_at(hours, clock.now()), wording(language)
    return [
        {
            "date": day.date.isoformat(),
            "name": words.say(f"weekday.{day.date.isoweekday()}"),
            "day": _short_day(day.date, words),
            "hours": _hours(day, words),
            "is_open": bool(day.hours),
            "is_today": day.date == state.local.date(),
            "why": _why(day, words),
            "season": day.season if day.hours else "",
        }
        for day in days_from(hours, state, A_WEEK)
    ]


def _says_something(hours: OpeningHours) -> bool:
    return hours.has_hours or any(day.is_closed for day in hours.days)


@lru_cache(maxsize=2048)
def _now(hours: OpeningHours, moment: datetime, language: str, kind: str) -> Now | None:
    state, words = state_at(hours, moment), wording(language)
    is_closed_today = state.today is not None and state.today.is_closed
    if not hours.has_hours and not is_closed_today:
        return None  # only a closing of another day is known
    is_visit = kind == MOBILE
    if state.closes_at is not None:
        if state.closes_at - state.local > _A_DAY:
            always = _say(words, is_visit, "open_today", hours=words.say("hours.all_day"))
            return Now(True, always, always)
        until = words.clock(state.closes_at)
        short = _say(words, is_visit, "open_until", time=until)
        return Now(True, short, f"{_today(state, words, is_visit)} · {_closes(state, words, is_visit)}")
    if state.opens_at is None:
        closed = _closed_today(state, words, is_visit)
        return Now(False, closed, closed)
    when = _when(state.local, state.opens_at, words)
    opens = _say(words, is_visit, "opens", when=when)
    if is_visit:
        return Now(False, opens, f"{_closed_today(state, words, is_visit)} · {opens}" if is_closed_today else opens)
    short = f"{words.say('hours.closed_now')} · {opens}"
    if state.opens_again_today:
        if state.has_been_open_today:
            on_break = words.say("hours.on_break", when=when)
            return Now(False, on_break, on_break)
        if state.opens_at - state.local < _AN_HOUR:
            opens_in = words.say("hours.opens_in", time=_span(state.opens_at - state.local, words))
            return Now(False, short, f"{_today(state, words, is_visit)} · {opens_in}")
        return Now(False, short, short)
    return Now(False, short, f"{_closed_today(state, words, is_visit)} · {opens}")


def _say(words: Wording, is_visit: bool, key: str, **facts: str) -> str:
    """Return a sentence about opening hours, or about the visits of a mobile branch."""
    return words.say(f"visit.{key}" if is_visit else f"hours.{key}", **facts)


def _today(state: State, words: Wording, is_visit: bool) -> str:
    """Return the hours of today; when they began yesterday, the time when they end."""
    if state.today is None or not state.today.hours:
        assert state.closes_at is not None
        return _say(words, is_visit, "open_until", time=words.clock(state.closes_at))
    return _say(words, is_visit, "open_today", hours=_hours(state.today, words))


def _closes(state: State, words: Wording, is_visit: bool) -> str:
    assert state.closes_at is not None
    time = _span(state.closes_at - state.local, words)
    if state.opens_again_today and not is_visit:
        return words.say("hours.break_in", time=time)
    return _say(words, is_visit, "closes_in", time=time)


def _closed_today(state: State, words: Wording, is_visit: bool) -> str:
    today = state.today
    if today is None or not today.is_closed:
        is_over = today is not None and bool(today.hours) and not is_visit
        return words.say("hours.closed_now") if is_over else _say(words, is_visit, "closed_today")
    why = _why(today, words)
    return words.say("hours.closed_because", why=why) if why else words.say("hours.closed_today")


def _span(span: timedelta, words: Wording) -> str:
    """Return a duration in whole minutes, or from one hour in whole hours. Rounded down, so that no reader is late."""
    if span >= _AN_HOUR:
        return words.count("hours.hour", span // _AN_HOUR)
    return words.count("hours.minute", span // _MINUTE)


def _when(local: datetime, opens_at: datetime, words: Wording) -> str:
    """Return when a branch opens: a time today or tomorrow, a weekday within six days, or a date."""
    days = (opens_at.date() - local.date()).days
    time = words.clock(opens_at)
    if days == 0:
        return words.say("hours.at", time=time)
    if days == 1:
        return words.say("hours.tomorrow", time=time)
    name = words.say(f"weekday.{opens_at.isoweekday()}")
    if days >= A_WEEK:
        name = f"{name}, {_short_day(opens_at.date(), words)}"
    return words.say("hours.on", day=name, time=time)


def _hours(day: Day, words: Wording) -> str:
    if not day.hours:
        return words.say("hours.closed")
    if day.hours == (("00:00", "24:00"),):
        return words.say("hours.all_day")
    return ", ".join(f"{words.clock(opens)}–{words.clock(closes)}" for opens, closes in day.hours)


def _why(day: Day, words: Wording) -> str:
    if day.is_closed and day.is_estimated:
        return words.say("hours.estimated", why=day.why) if day.why else ""
    return day.why


def _short_day(day: date, words: Wording) -> str:
    return f"{day.day} {words.say(f'month.{day.month}')}"
