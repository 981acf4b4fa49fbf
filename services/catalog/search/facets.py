"""Facets of a search: values with counts and names; ten beside the hits, all of one facet page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from chassis.context import Context
from chassis.db import Database
from chassis.sentences import LocalText
from services.catalog.index.port import Index, Request
from services.catalog.record.captions import caption
from services.catalog.search import validation
from services.catalog.search.execution import run_query
from services.catalog.search.expansion import expand
from services.catalog.search.labels import Names, load_names

PLACES = ("institution", "branch")
NAMED = (*PLACES, "class")  # by the library itself
USUAL_VALUES, MOST_VALUES = 50, 100


@dataclass(frozen=True, slots=True)
class FacetValue:
    """label  the value for people; None when it speaks for itself"""

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
    """One page of a facet. total: records that match, the facet's own filter included; more: there is a next page."""

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
    """Every value of one facet of a search, a page at a time; counts are exact.

    query, filters  as in a search; the facet's own filter does not narrow its counts
    sort            "count", most frequent first (also when empty), or "value"
    offset          values to pass over, at most 1,000
    limit           1 to 100; 0 for 50
    raises          Invalid      QUERY_TOO_LONG, FACET_UNKNOWN, FACET_VALUES_OUT_OF_BOUNDS, SORT_UNKNOWN,
                                 LIMIT_OUT_OF_BOUNDS, OFFSET_OUT_OF_BOUNDS
                    Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
                    TooLate      DEADLINE_PASSED
    """
    asked, match = validation.parse_query(query)
    kept = validation.allowed_filters(filters or {})
    (name,) = validation.allowed_facets((facet,))
    order = validation.allowed_facet_order(sort)
    first = validation.allowed_offset(offset)
    wanted = validation.allowed_limit(limit, usual=USUAL_VALUES, most=MOST_VALUES)
    context.check_deadline()
    end = first + wanted
    widen = partial(expand, database)
    request = Request(widen(asked, match), filters=kept, facets=(name,), facet_size=end + 1, facet_order=order, limit=0)
    hits = run_query(index, asked, request, widen=widen).hits
    # A chosen value that comes later in the order is at the end of the list all the same.
    values = hits.facets[name][: end + 1]
    names = load_names(database) if name in NAMED else {}
    return FacetPage(
        label_facet(name, values[first:end], kept.get(name, ()), names).values, len(values) > end, hits.total
    )


def label_facet(name: str, values: Sequence[tuple[str, int]], chosen: tuple[str, ...], names: Names) -> Facet:
    """Counted values with their names. names: from `names_of`."""
    return Facet(
        name, [FacetValue(value, count, label_value(name, value, names), value in chosen) for value, count in values]
    )


def label_value(facet: str, value: str, names: Names) -> LocalText | None:
    """What people call a value; None when it speaks for itself."""
    return names.get((facet, value)) or caption(facet, value)
