"""The fields of a document that both engines store, so that they sort, filter and count alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.catalog.index.matches import And, Boosted, DisMax, Keyword, Match, Not, Or, Term
from services.catalog.index.port import Change, FacetOrder, Request, Sort
from services.catalog.index.work_grouping import pack_edition
from services.catalog.record.index_document import FACETS, KEYWORDS, START, TEXT_FIELDS, Document

# Increase it when records get other documents: then existing indexes are rebuilt automatically.
FORM_NUMBER = 15
FORM = hashlib.sha256(repr((FORM_NUMBER, TEXT_FIELDS, FACETS, KEYWORDS, START)).encode()).hexdigest()[:16]

# Each field sorts and breaks ties by the record number; records without a year come last in both orders.
SORT_FIELDS: Mapping[Sort, str] = {"year": "newest", "year_asc": "oldest", "title": "title_key"}
FACET_FIELDS = {name: f"facet_{name}" for name in FACETS}
# A filter may name a class with decimals, which the counts of the facet do not have.
FILTER_FIELDS = {**FACET_FIELDS, "class": FACET_FIELDS["class_path"]}
INTEGERS = ("number", "year", "work", "class_number")  # searched by range
KEYWORD_FIELDS = (*KEYWORDS, *FACET_FIELDS.values())
UNINDEXED = ("newest", "oldest", "edition", "version", "title_order")  # integers that are only sorted, read or summed
NUMBER_BITS = 40
LONGEST_VALUE = 1000  # characters of a keyword; Lucene refuses a document with a term of more than 32,766 bytes
LONGEST_TITLE_KEY = 200
_CHARACTERS, _PACKED = " 0123456789abcdefghijklmnopqrstuvwxyz", 12  # 37 ** 12 is below 2 ** 63


def fields_of(change: Change) -> dict[str, Any]:
    """Return the fields that an engine stores for a change with a document."""
    assert change.document is not None
    return stored_fields(change.document) | {"version": change.version}


def stored_fields(document: Document) -> dict[str, Any]:
    """Return a document's fields, ready for either engine."""
    number, year = document.number, document.year
    fields: dict[str, Any] = {name: document.text[name] for name in TEXT_FIELDS}
    for name, values in document.facets.items():
        if values:
            fields[FACET_FIELDS[name]] = clip_values(values)
    for name, values in document.keywords.items():
        if values:
            fields[name] = clip_values(values)
    if year is not None:
        fields["year"] = year
    if document.class_number is not None:
        fields["class_number"] = document.class_number
    newest, oldest = (0, 9999) if year is None else (min(max(year, 0), 9998) + 1, min(max(year, 0), 9998))
    fields["newest"] = newest << NUMBER_BITS | ((1 << NUMBER_BITS) - 1 - number)
    fields["oldest"] = oldest << NUMBER_BITS | number
    fields["title_key"] = f"{document.title_sort[:LONGEST_TITLE_KEY]}\x01{number:012d}"
    fields["title_order"] = pack_title(document.title_sort)
    fields["number"] = number
    fields["work"] = document.work or -number
    languages = document.facets["language"]
    available = "can_be_borrowed" in document.facets["availability"]
    fields["edition"] = pack_edition(available=available, year=year, language=languages[0] if languages else "")
    return fields


def pack_title(title_sort: str) -> int:
    """Pack the first twelve characters of a title into an integer that sorts as they do; it breaks ties of scores."""
    packed = 0
    for character in title_sort[:_PACKED].ljust(_PACKED):
        packed = packed * len(_CHARACTERS) + max(_CHARACTERS.find(character), 0)
    return packed


def clip_values(values: Sequence[str]) -> list[str]:
    """Shorten the values of a keyword field as both engines store them, without repetition."""
    if len(values) == 1:
        return [values[0][:LONGEST_VALUE]]
    return list(dict.fromkeys([value[:LONGEST_VALUE] for value in values]))


def filter_matches(request: Request) -> dict[str, Keyword]:
    """Build facet -> the match of its chosen values; facets without a chosen value are left out."""
    return {
        facet: Keyword(FILTER_FIELDS[facet], tuple(clip_values(values)))
        for facet, values in request.filters.items()
        if values
    }


def sort_facet_values(counts: Iterable[tuple[str, int]], order: FacetOrder) -> list[tuple[str, int]]:
    """Sort values of a facet with their counts in the requested order."""
    return sorted(counts) if order == "value" else sorted(counts, key=lambda pair: (-pair[1], pair[0]))


def is_unscored(match: Match) -> bool:
    """Tell whether every hit scores 0, so that hits are sorted by number alone."""
    match match:
        case Term():
            return False
        case DisMax(choices=parts) | And(of=parts) | Or(of=parts):
            return all(is_unscored(part) for part in parts)
        case Not(match=inner):
            return is_unscored(inner)
        case Boosted(match=inner, bonus=bonus):
            return is_unscored(inner) and all(is_unscored(part) for part in bonus)
    return match.boost == 0
