"""Enumeration and chronology of an item: from paired fields (853, 863) or from one text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.catalog.marc.record import Field

LONGEST = 200
_LEVELS = "abcdef"
_MONTHS = ("Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober",
           "November", "Desember")  # fmt: skip
_YEAR = r"(?:1[5-9]|20)[0-9]{2}"
_DATED = re.compile(
    rf"(.*?\S)\s*(?:[,;:]\s*|\()((?:[^,;()]{{1,40}}\s)?{_YEAR}(?:\s?[-/–]\s?(?:{_YEAR}|[0-9]{{2}}))?)\)?\s*\Z"
)


def split_date(text: str) -> tuple[str, str]:
    """Split a numbering and its date: `Vol. 3 No. 2, Mei 2026` is ("Vol. 3 No. 2", "Mei 2026"); no date is ""."""
    match = _DATED.match(text[:LONGEST])
    return (match.group(1).rstrip(" ,;:"), match.group(2).strip()) if match is not None else (text, "")


def paired(captions: Sequence[Field], numbers: Sequence[Field], link: str) -> tuple[str, str]:
    """Return numbering and date of the 863 with this $8 (`1.2`), with captions of its 853; ("", "") without one."""
    number = next((number for number in numbers if _value(number, "8") == link), None)
    if number is None:
        return "", ""
    series = link.partition(".")[0]
    caption = next((caption for caption in captions if _value(caption, "8").partition(".")[0] == series), [])
    results = []
    for code in _LEVELS:
        value, word = _value(number, code), _value(caption, code)
        if value:
            results.append(value if not word or word.startswith(("(", "[")) else f"{word} {value}")
    return " ".join(results)[:LONGEST], _date(caption, number)[:LONGEST]


def _date(caption: Field, number: Field) -> str:
    """Build `2 Mei 2026` from $i year, $j month, $k day; captions may assign them in another order."""
    year, month, day = "", "", ""
    for code in "ijkl":
        value, word = _value(number, code), _value(caption, code).lower()
        if not value:
            continue
        if "month" in word or "bulan" in word or "season" in word or (not word and code == "j"):
            month = _month(value)
        elif "day" in word or "hari" in word or "tanggal" in word or (not word and code == "k"):
            day = value.lstrip("0")
        elif not year:
            year = value
    return " ".join(value for value in (day, month, year) if value)


def _month(value: str) -> str:
    """Return the name of a month number or of two (`1/2`); other text, such as a season, is unchanged."""
    first, slash, last = value.partition("/")
    if slash:
        return f"{_month(first)}/{_month(last)}"
    return _MONTHS[int(value) - 1] if value.isascii() and value.isdigit() and 1 <= int(value) <= 12 else value


def _value(field: Field, code: str) -> str:
    for index in range(2, len(field) - 1, 2):
        if field[index] == code:
            return field[index + 1].strip()
    return ""
