"""Converts values of a notice to words: dates in the language, shortened titles, and texts on one line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

LONGEST_VALUE = 1_000

_MONTHS = {
    "id": ("Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober",
           "November", "Desember"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
}  # fmt: skip
_WEEKDAYS = {
    "id": ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_ZONES = {7 * 3600: "WIB", 8 * 3600: "WITA", 9 * 3600: "WIT"}
# Control characters, line and paragraph ends, marks of text direction, byte order marks, lone surrogates, and the two
# characters around the number of a value (`markup`).
_NO_TEXT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ue000\ue001\ud800-\udfff]+"
)
_SPACES = re.compile(r"\s+")


def one_line(value: object, *, longest: int = LONGEST_VALUE) -> str:
    """Return a value as text on one line, without invisible characters."""
    text = str(value)
    # Nearly every value. What is not printable includes every character of `_NO_TEXT`, and every blank but U+0020.
    if not text.isprintable() or "  " in text:
        text = _SPACES.sub(" ", _NO_TEXT.sub(" ", text))
    text = text.strip()
    return shortened(text, longest)


def shortened(text: str, longest: int) -> str:
    """Cut a long text at the end of a word and add three points; a text that fits does not change."""
    if len(text) <= longest:
        return text
    cut = text[: max(1, longest - 3)]
    word_end = len(cut) if text[len(cut)] == " " else cut.rfind(" ")
    if word_end > len(cut) * 2 // 3:
        cut = cut[:word_end]
    return cut.rstrip(" ,;:.-/") + "..."


def day_of(value: Any) -> date | None:
    """Read a date or an ISO text of a date or moment; None for an empty value.

    raises  ValueError  the text is not a date
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    return date.fromisoformat(str(value)[:10])


def date_in_words(value: Any, language: str) -> str:
    """Return a date with its weekday: `Selasa, 24 November 2026`; "" for an empty value."""
    day = day_of(value)
    return "" if day is None else f"{_WEEKDAYS[language][day.weekday()]}, {short_date(day, language)}"


def short_date(value: Any, language: str) -> str:
    """Return a date without its weekday: `24 November 2026`; "" for an empty value."""
    day = day_of(value)
    return "" if day is None else f"{day.day} {_MONTHS[language][day.month - 1]} {day.year}"


def time_in_words(value: Any, language: str) -> str:
    """Return the time of day of a moment with its Indonesian zone: `14.30 WIB`; "" for an empty value.

    value  a moment with its offset, or its ISO 8601 text
    """
    if not value:
        return ""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    time = f"{moment.hour:02d}{'.' if language == 'id' else ':'}{moment.minute:02d}"
    offset = moment.utcoffset()
    zone = "" if offset is None else _ZONES.get(int(offset.total_seconds()), "")
    return f"{time} {zone}".rstrip()


def hours_in_words(week: Mapping[int, Sequence[tuple[str, str]]], language: str) -> str:
    """Return opening hours: `Senin–Kamis 08.00–16.00; Jumat 08.00–11.30 dan 14.00–16.30`.

    week  weekday (Monday is 0) -> intervals ("HH:MM", "HH:MM"); days without intervals are left out
    """
    groups: list[tuple[list[int], Sequence[tuple[str, str]]]] = []
    for day in range(7):
        hours = week.get(day, ())
        if groups and groups[-1][1] == hours and groups[-1][0][-1] == day - 1:
            groups[-1][0].append(day)
        elif hours:
            groups.append(([day], hours))
    names = _WEEKDAYS[language]
    between, time_mark = (" dan ", ".") if language == "id" else (" and ", ":")
    texts = []
    for days, hours in groups:
        first, last = names[days[0]], names[days[-1]]
        joined = first if len(days) == 1 else f"{first}–{last}" if len(days) > 2 else f"{first}{between}{last}"
        times = between.join(f"{opens}–{closes}".replace(":", time_mark) for opens, closes in hours)
        texts.append(f"{joined} {times}")
    return "; ".join(texts)


def number_in_words(value: Any, language: str) -> str:
    grouped = f"{int(value or 0):,}"
    return grouped if language == "en" else grouped.replace(",", ".")
