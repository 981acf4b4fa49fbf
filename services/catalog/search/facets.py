"""Facets of a search: values with counts and labels; ten values with the hits, or all of one facet page by page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

from chassis.context import READER, Context
from chassis.database.db import Database
from chassis.sentences import LocalText
from services.catalog import queries
from services.catalog.index.port import Index, Request
from services.catalog.record.captions import caption
from services.catalog.record.class_table import label_under
from services.catalog.search import validation
from services.catalog.search.class_recall import class_finder
from services.catalog.search.execution import run_query
from services.catalog.search.expansion import expand, has_forms

PLACES = ("institution", "branch")
NAMED = (*PLACES, "class")  # labels come from the tables
USUAL_VALUES, MOST_VALUES = 50, 100
NAMES_SECONDS = 5.0

Names = dict[tuple[str, str], LocalText]
_cached_names: WeakKeyDictionary[Database, tuple[float, Names]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a facet. label: text for people; None when the value itself is readable."""

    value: str
    count: int
    label: LocalText | None
    selected: bool


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    values: list[FacetValue]


@dataclass(frozen=True, slots=True)
class FacetPage:
    """One page of a facet. total: matching records, the facet's own filter included; more: a next page follows."""

    values: list[FacetValue]
    more: bool
    total: int


def count_facet(
    database: Database,
    index: Index,
    *,
    context: Context,
    query: str = "",
    filters: Mapping[str, tuple[str, ...]] | None = None,
    facet: str,
    sort: str = "",
    offset: int = 0,
    limit: int = 0,
) -> FacetPage:
    """Count every value of one facet of a search, a page at a time; counts are exact.

    query, filters  as in a search; the facet's own filter does not narrow its counts
    sort            "count", most frequent first (also when empty), or "value"
    offset          values to skip, at most 1,000
    limit           1 to 100; 0 for 50
    raises          Invalid      QUERY_TOO_LONG, FACET_UNKNOWN, FACET_VALUES_OUT_OF_BOUNDS, SORT_UNKNOWN,
                                 LIMIT_OUT_OF_BOUNDS, OFFSET_OUT_OF_BOUNDS
                    Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
                    TooLate      DEADLINE_PASSED
    """
    parsed_query, match = validation.parse_query(query)
    allowed_filters = validation.allowed_filters(filters or {})
    (name,) = validation.allowed_facets((facet,))
    order = validation.allowed_facet_order(sort)
    first_value = validation.allowed_offset(offset)
    size = validation.allowed_limit(limit, usual=USUAL_VALUES, most=MOST_VALUES)
    context.check_deadline()
    end_value = first_value + size
    widen = partial(expand, database)
    request = Request(
        widen(parsed_query, match),
        filters=allowed_filters,
        facets=(name,),
        facet_size=end_value + 1,
        facet_order=order,
        limit=0,
    )
    finder, has_variants = class_finder(database), has_forms(database)
    hits = run_query(index, parsed_query, request, widen=widen, finder=finder, has_variants=has_variants).hits
    # The index adds a chosen value of a later page to the end of the list.
    values = hits.facets[name][: end_value + 1]
    names = load_names(database) if name in NAMED else {}
    return FacetPage(
        label_facet(name, values[first_value:end_value], allowed_filters.get(name, ()), names).values,
        len(values) > end_value,
        hits.total,
    )


def label_facet(name: str, values: Sequence[tuple[str, int]], chosen: tuple[str, ...], names: Names) -> Facet:
    """Add labels to counted values. names: see load_names."""
    return Facet(
        name, [FacetValue(value, count, label_value(name, value, names), value in chosen) for value, count in values]
    )


def label_value(facet: str, value: str, names: Names) -> LocalText | None:
    """Return the label of a value; None when the value itself is readable."""
    label = names.get((facet, value)) or caption(facet, value)
    if label is None and facet == "class":
        return label_under(value, {key: text for (name, key), text in names.items() if name == "class"})
    return label


def load_names(database: Database) -> Names:
    """Load names by facet (institution, branch, class) and value, at most NAMES_SECONDS old.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    now = time.monotonic()
    entry = _cached_names.get(database)
    if entry is None or entry[0] < now:
        with database.reading(READER) as session:
            names = queries.place_names(session)
            names |= {("class", value): name for value, name in queries.class_captions(session).items()}
        entry = now + NAMES_SECONDS, names
        _cached_names[database] = entry
    return entry[1]
