"""The data of a record that other services may copy with an item."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from services.catalog.marc.record import Record, Tags, by_tag
from services.catalog.record.brief import UNTITLED
from services.catalog.record.classes import class_of, levels
from services.catalog.record.codes import audience_of, language_of, year_of
from services.catalog.record.headings import title_of
from services.catalog.texts import shorten

LONGEST_TITLE = 120


class RecordFacts(NamedTuple):
    """The data of an item's record that other services may copy.

    title  at most 120 characters
    class_number  DDC class, three digits, or the library's own such as 2X4; "" without one
    year   of publication; 0 when unknown
    """

    title: str = ""
    class_number: str = ""
    language: str = ""
    audience: str = ""
    year: int = 0


def record_facts_of(leader: str, tags: Tags, brief: Mapping[str, Any] | None = None) -> RecordFacts:
    """Read the facts of a record from its fields, which are grouped by tag.

    brief  its brief record, if the caller has it
    """
    if brief is None:
        title, language, year = title_of(tags)[0] or UNTITLED, language_of(tags), year_of(tags)
    else:
        title, language, year = brief["title"], brief.get("language", ""), brief.get("year")
    return RecordFacts(
        title=shorten(title, LONGEST_TITLE),
        class_number=_main_part(class_of(tags)),
        language=language,
        audience=audience_of(leader, tags),
        year=year or 0,
    )


def facts_of_packed(marc: bytes) -> RecordFacts:
    """Read the facts of a stored record from records.marc."""
    record = Record.unpack(marc)
    return record_facts_of(record.leader, by_tag(record.fields))


@lru_cache(maxsize=10_000)
def _main_part(number: str) -> str:
    """Return the first three digits of a DDC number, or the first place of a local one: 2X4 of 2X4.1."""
    classes = levels(number)
    if number[:2].upper() == "2X":
        return max((value for value in classes if len(value) <= 3 and value.startswith("2X")), key=len, default="2X")
    return max((value for value in classes if len(value) <= 3), key=len, default="")
