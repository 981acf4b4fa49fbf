"""The brief record shown in result lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from services.catalog.analysis import is_isbn, isbn13
from services.catalog.marc.record import Record, Tags, by_tag, pick, pick_all
from services.catalog.record.codes import ddc_of, language_of, material_of, year_of
from services.catalog.record.headings import names_of, tidy, title_of
from services.catalog.texts import shorten

# Longest texts of a brief record, in characters; the display has the whole texts.
LONGEST = {
    "title": 500, "subtitle": 500, "responsibility": 500, "publisher": 200, "place": 200, "edition": 200, "series": 300,
    "ddc": 60, "summary": 300,
}  # fmt: skip
MOST_AUTHORS, LONGEST_AUTHOR = 50, 200
LONGEST_NUMBER = 64  # characters of an ISBN with its hyphens and blanks
UNTITLED = "[Tanpa judul]"

_A, _B, _Z = frozenset("a"), frozenset("b"), frozenset("z")
_SERIES = frozenset("anpv")
_DIGITS = re.compile(r"[0-9Xx][0-9Xx\- ]*")


def brief(record: Record, *, institution: str = "") -> dict[str, Any]:
    """Build the brief record, ready for JSON; keys without a value are left out.

    `{"title", "subtitle", "responsibility", "authors": [], "publisher", "place", "year": int, "edition", "language",
    "material", "isbn", "ddc", "series", "summary", "institution"}`; title, authors, material and institution always.

    institution  code of the institution that owns the source
    """
    return brief_of(record, by_tag(record.fields), institution)


def tidy_note(text: str) -> str:
    """Collapse white space in a note; punctuation stays."""
    return " ".join(text.split())


def brief_of(record: Record, tags: Tags, institution: str, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Build the brief record from fields that are already grouped by tag; see brief.

    names  headings.names_of its fields, if the caller has them
    """
    record_brief = whole_brief_of(record, tags, institution, names)
    for name, longest in LONGEST.items():
        if len(text := record_brief.get(name, "")) > longest:
            record_brief[name] = shorten(text, longest)
    record_brief["authors"] = [shorten(author, LONGEST_AUTHOR) for author in record_brief["authors"][:MOST_AUTHORS]]
    return record_brief


def whole_brief_of(record: Record, tags: Tags, institution: str, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Build the brief record without shortening its texts."""
    title, subtitle, responsibility = title_of(tags)
    record_brief: dict[str, Any] = {"title": title or UNTITLED}
    _put(record_brief, "subtitle", subtitle)
    _put(record_brief, "responsibility", responsibility)
    record_brief["authors"] = list(names_of(tags) if names is None else names)
    published = "264" if any(field[1][1:2] == "1" for field in tags.get("264", ()) if len(field) > 2) else "260"
    if published == "260" and "260" not in tags and "264" in tags:
        published = "264"
    _put(record_brief, "publisher", tidy(next(pick_all(tags, published, _B), "")))
    _put(record_brief, "place", tidy(next(pick_all(tags, published, _A), "")))
    year = year_of(tags)
    if year is not None:
        record_brief["year"] = year
    _put(record_brief, "edition", tidy(next(pick_all(tags, "250", _A), "")))
    _put(record_brief, "language", language_of(tags))
    record_brief["material"] = material_of(record.leader, tags)
    numbers = isbns(tags)
    _put(record_brief, "isbn", next((number for number in numbers if is_isbn(number)), numbers[0] if numbers else ""))
    _put(record_brief, "ddc", ddc_of(tags))
    for tag in ("490", "440", "830"):
        if tag in tags:
            _put(record_brief, "series", tidy(" ".join(value.strip(" ;,") for value in pick(tags[tag][0], _SERIES))))
            break
    _put(record_brief, "summary", tidy_note(next(pick_all(tags, "520", _A), "")))
    record_brief["institution"] = institution
    return record_brief


def isbns(tags: Tags) -> list[str]:
    """Collect the ISBNs of 020 $a as thirteen digits; an invalid ISBN keeps its digits as written."""
    values: dict[str, None] = {}
    for value in pick_all(tags, "020", _A):
        number = isbn13(value[:24])
        if number is None:
            match = _DIGITS.match(value.strip()[:LONGEST_NUMBER])
            digits = match.group().replace("-", "").replace(" ", "").upper() if match else ""
            number = isbn13(digits) or (digits if len(digits) in (10, 13) else None)
        if number:
            values[number] = None
    return list(values)


def all_isbns(tags: Tags) -> list[str]:
    """Collect the ISBNs of isbns(), then those of 020 $z: cancelled or invalid, but they may be printed in the book."""
    numbers = dict.fromkeys(isbns(tags))
    for value in pick_all(tags, "020", _Z):
        if number := isbn13(value[:24]):
            numbers[number] = None
    return list(numbers)


def _put(record_brief: dict[str, Any], name: str, value: str) -> None:
    if value:
        record_brief[name] = value
