"""Exact facet counts out of tantivy's terms aggregation, which cuts each segment's list short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tantivy import Query, Schema, Searcher

from services.catalog.index.port import FacetOrder
from services.catalog.index.stored_fields import LONGEST_VALUE, ordered

Counted = list[tuple[str, int]]

SEGMENT_VALUES = 300  # of each segment's most frequent values looked at first
EVERYTHING = 65_000  # the most buckets tantivy gives


def first_values(searcher: Searcher, query: Query, facets: Sequence[str], size: int) -> dict[str, Counted]:
    """facet -> its first `size` values as they sort; a segment's list cut so still has each of them, and whole."""
    asked = {
        facet: {"terms": {"field": f"facet_{facet}", "order": {"_key": "asc"}, "size": size, "segment_size": size}}
        for facet in facets
    }
    answer = searcher.aggregate(query, asked)
    return {facet: sorted(_pairs(answer[facet]))[:size] for facet in facets}


def count(searcher: Searcher, query: Query, facets: Sequence[str], size: int) -> dict[str, Counted]:
    """facet -> its `size` most frequent values, with exact counts, ties by value.

    One aggregation answers most questions: it says by how much it may be wrong, and only when that matters, the
    contenders of all facets are counted again by themselves.
    """
    shown = 3 * size + 10
    first = {facet: _terms(facet, size=shown, segment_size=max(SEGMENT_VALUES, shown)) for facet in facets}
    answer = searcher.aggregate(query, first)
    counted = {facet: _pairs(answer[facet]) for facet in facets}
    again = {facet: _again(answer[facet], counted[facet], size) for facet in facets}
    second = {facet: terms for facet, terms in again.items() if terms is not None}
    if second:
        answer = searcher.aggregate(query, {facet: _terms(facet, **terms) for facet, terms in second.items()})
        counted.update((facet, _pairs(answer[facet])) for facet in second)
    return {facet: sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:size] for facet, pairs in counted.items()}


def count_values(searcher: Searcher, query: Query, facet: str, values: Sequence[str]) -> dict[str, int]:
    """Exact counts of these values; 0 where none has it."""
    answer = searcher.aggregate(query, {facet: _terms(facet, **_only(values))})
    return {**dict.fromkeys(values, 0), **dict(_pairs(answer[facet]))}


def tally(searcher: Searcher, schema: Schema, field: str, values: Sequence[str]) -> dict[str, int]:
    """Exact counts of these values of a keyword field; 0 where none has it.

    Each is asked for by itself: an aggregation would walk through every document, a hundred times as dear at 100,000.
    """
    return {
        value: int(searcher.search(Query.term_query(schema, field, value[:LONGEST_VALUE]), limit=1).count)  # type: ignore[attr-defined]
        for value in values
    }


def _again(answer: dict[str, Any], counted: Counted, size: int) -> dict[str, Any] | None:
    """What to ask again about a facet, to be exact; None when it is already."""
    wrong, more = answer.get("doc_count_error_upper_bound") or 0, answer["sum_other_doc_count"]
    if len(counted) > size and more:
        last, least = counted[-1][1], counted[size - 1][1]
        if last + wrong >= least:
            # A value not shown may belong among the first.
            return {"size": EVERYTHING, "segment_size": EVERYTHING}
        if wrong:
            return _only([value for value, count in counted if count + wrong >= least])
    return _only([value for value, _count in counted]) if wrong else None


def _only(values: Sequence[str]) -> dict[str, Any]:
    return {"size": len(values), "segment_size": len(values), "include": list(values)}


def _terms(facet: str, **options: Any) -> dict[str, Any]:
    return {"terms": {"field": f"facet_{facet}", "order": {"_count": "desc"}, **options}}


def _pairs(answer: dict[str, Any]) -> Counted:
    return [(bucket["key"], bucket["doc_count"]) for bucket in answer["buckets"]]


def with_chosen(
    searcher: Searcher, query: Query, facet: str, chosen: Sequence[str], found: Counted, order: FacetOrder
) -> Counted:
    """What was found and the values a reader has chosen, however rare those are now."""
    missing = set(chosen) - {value for value, _count in found}
    extra = count_values(searcher, query, facet, sorted(missing)) if missing else {}
    return ordered([*found, *extra.items()], order)
