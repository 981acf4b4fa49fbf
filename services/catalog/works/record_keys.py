"""Keys of a record in the tables: sort keys of lists, headings, work keys, standard number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from services.catalog.analysis import tokens
from services.catalog.marc.fields import Tags, by_tag, pick
from services.catalog.marc.record import Record
from services.catalog.record.codes import standard_number_of
from services.catalog.record.headings import names_of, non_filing, series_of, subjects_of
from services.catalog.works.keys import keys_of

SORT_LENGTH = 120
HEADING_LENGTH, MOST_HEADINGS = 200, 40  # as the facets have them
KINDS = {"a": "author", "s": "subject", "e": "series"}

_TITLE = frozenset("abnp")
_NAME = frozenset("abcq")
_SERIES = frozenset(("440", "490", "800", "810", "811", "830"))
_NAMES = ("100", "110", "111", "700", "710", "711", "720")


class RecordKeys(NamedTuple):
    """The keys of one record; plain data, because processes exchange thousands.

    title_sort, author_sort   folded title (without non-filing characters) and main entry, shortened
    headings                  a letter of KINDS before each text, as the facets have it
    keys                      numbers of keys.keys_of
    standard_number           record.codes.standard_number_of
    """

    title_sort: str
    author_sort: str
    headings: tuple[str, ...]
    keys: tuple[int, ...]
    standard_number: int | None = None


def record_keys_of(record: Record, tags: Tags | None = None, names: Sequence[str] | None = None) -> RecordKeys:
    """Compute the keys of any record; never raises.

    tags, names  its fields by tag, and their headings.names_of, if the caller has them
    """
    tags = by_tag(record.fields) if tags is None else tags
    headings = [
        f"a{heading[:HEADING_LENGTH]}" for heading in (names_of(tags) if names is None else names)[:MOST_HEADINGS]
    ]
    headings += [f"s{heading[:HEADING_LENGTH]}" for heading in subjects_of(tags)[:MOST_HEADINGS]]
    if not _SERIES.isdisjoint(tags):
        headings += [f"e{heading[:HEADING_LENGTH]}" for heading in series_of(tags)[:MOST_HEADINGS]]
    keys = tuple([key.number for key in keys_of(record.leader, tags)])
    return RecordKeys(_title_sort(tags), _author_sort(tags), tuple(headings), keys, standard_number_of(tags))


def _title_sort(tags: Tags) -> str:
    field = next(iter(tags.get("245", ())), None)
    if field is None:
        return ""
    text = " ".join(pick(field, _TITLE))
    return " ".join(tokens(text[non_filing(field) :] or text))[:SORT_LENGTH]


def _author_sort(tags: Tags) -> str:
    for tag in _NAMES:
        for field in tags.get(tag, ()):
            folded = _folded(" ".join(pick(field, _NAME)))
            if folded:
                return folded
    return ""


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    return " ".join(tokens(name))[:SORT_LENGTH]
