"""Enumeration and chronology of items: captions (853), numbers (863), textual holdings (866), dates in a numbering."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice

from services.catalog.marc.record import Field
from services.catalog.texts import without_controls

LONGEST = 200  # characters of the other texts of an item
MOST_TEXTS = LONGEST // 3 + 1  # textual holdings that fit in an enumeration, with their separators
_LEVELS = "abcdef"
_YEAR = r"(?:1[5-9]|20)[0-9]{2}"
_MONTHS = ("Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober",
           "November", "Desember")  # fmt: skip
_NUMBERING_WITH_DATE = re.compile(
    rf"(.*?\S)\s*(?:[,;:]\s*|\()((?:[^,;()]{{1,40}}\s)?{_YEAR}(?:\s?[-/–]\s?(?:{_YEAR}|[0-9]{{2}}))?)\)?\s*\Z"
)

Tags = Mapping[str, Sequence[Field]]


class Numbering:
    """Captions (853), enumeration and chronology (863) and textual holdings (866) by their links."""

    def __init__(self, tags: Tags) -> None:
        self._captions: dict[str, Field] = {}
        self._numbers: dict[str, Field] = {}
        self._links_of_series: dict[str, list[str]] = {}
        self._texts: list[str] = []
        self._texts_of_link: dict[str, list[int]] = {}
        self._issues: dict[str, tuple[str, str]] = {}
        for caption in tags.get("853", ()):
            self._captions.setdefault(_value(caption, "8").partition(".")[0], caption)
        for number in tags.get("863", ()):
            for link in values_of(number, "8")[:1]:
                self._links_of_series.setdefault("8" + link.partition(".")[0], []).append(link)
            self._numbers.setdefault(_value(number, "8"), number)
        for field in tags.get("866", ()):
            text = "; ".join(values_of(field, "a"))[:LONGEST]
            for link in links_of(field) if text else ():
                self._texts_of_link.setdefault(link, []).append(len(self._texts))
            if text:
                self._texts.append(text)

    def only_issue(self, links: set[str], *, alone: bool) -> str | None:
        """Return the link of the only 863 with one of these links, or of the only 863 when `alone`; else None."""
        series = self._links_of_series if alone else links & self._links_of_series.keys()
        issues = list(islice((issue for link in series for issue in self._links_of_series[link]), 2))
        return issues[0] if len(issues) == 1 else None

    def text(self, links: set[str], *, alone: bool) -> str:
        """Return the textual holdings of these links, or all when `alone`; at most MOST_TEXTS."""
        if alone:
            return "; ".join(self._texts[:MOST_TEXTS])
        linked = links & self._texts_of_link.keys()
        places = {place for link in linked for place in self._texts_of_link[link][:MOST_TEXTS]}
        return "; ".join(self._texts[place] for place in sorted(places)[:MOST_TEXTS])

    def issue(self, link: str) -> tuple[str, str]:
        """Return numbering and date of the 863 whose $8 is `link` (`1.2`), with the captions of its 853.

        returns  ("", "") when there is no such 863
        """
        if link not in self._issues:
            number = self._numbers.get(link)
            caption = self._captions.get(link.partition(".")[0], [])
            self._issues[link] = ("", "") if number is None else _issue(caption, number)
        return self._issues[link]


def links_of(field: Field) -> set[str]:
    """Return the numbers of $8, without sequence, and the materials of $3; both link item records to a field."""
    return {
        code + (value.partition(".")[0] if code == "8" else value).strip()
        for code, value in zip(field[2::2], field[3::2], strict=False)
        if code in ("8", "3") and value.strip()
    }


def values_of(field: Field, code: str) -> list[str]:
    return [without_controls(field[index + 1]).strip() for index in range(2, len(field) - 1, 2) if field[index] == code]


def split_date(text: str) -> tuple[str, str]:
    """Split a numbering and its date: `Vol. 3 No. 2, Mei 2026` is ("Vol. 3 No. 2", "Mei 2026"); no date is ""."""
    match = _NUMBERING_WITH_DATE.match(text[:LONGEST])
    return (match.group(1).rstrip(" ,;:"), match.group(2).strip()) if match is not None else (text, "")


def _issue(caption: Field, number: Field) -> tuple[str, str]:
    """Return numbering and date of an 863 with the captions of its 853."""
    parts = []
    for code in _LEVELS:
        value, word = _value(number, code), _value(caption, code)
        if value:
            parts.append(value if not word or word.startswith(("(", "[")) else f"{word} {value}")
    return " ".join(parts)[:LONGEST], _date(caption, number)[:LONGEST]


def _date(caption: Field, number: Field) -> str:
    """Build `2 Mei 2026` from $i year, $j month, $k day; the captions may assign the subfields differently."""
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
    first_values, slash, last = value.partition("/")
    if slash:
        return f"{_month(first_values)}/{_month(last)}"
    return _MONTHS[int(value) - 1] if value.isascii() and value.isdigit() and 1 <= int(value) <= 12 else value


def _value(field: Field, code: str) -> str:
    for index in range(2, len(field) - 1, 2):
        if field[index] == code:
            return without_controls(field[index + 1]).strip()
    return ""
