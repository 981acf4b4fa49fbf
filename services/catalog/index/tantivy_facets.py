"""Exact facet counts out of tantivy's terms aggregation, which cuts each segment's list short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tantivy import Query, Searcher

Counted = list[tuple[str, int]]

SEGMENT_VALUES = 300  # of each segment's most frequent values looked at first
EVERYTHING = 65_000  # the most buckets tantivy gives


def count(searcher: Searcher, query: Query, facets: Sequence[str], size: int) -> dict[str, Counted]:
    """facet -> its `size` most frequent values, with exact counts, ties by value.

    One aggregation answers nearly always: it says by how much it may be wrong, and only when that matters, the
    contenders are counted again by themselves.
    """
    shown = 3 * size + 10
    request = {facet: _terms(facet, size=shown, segment_size=max(SEGMENT_VALUES, shown)) for facet in facets}
    answer = searcher.aggregate(query, request)
    return {facet: _exact(searcher, query, facet, size, answer[facet]) for facet in facets}


def count_values(searcher: Searcher, query: Query, facet: str, values: Sequence[str]) -> dict[str, int]:
    """Exact counts of these values; 0 where none has it."""
    return {**dict.fromkeys(values, 0), **dict(_counted(searcher, query, facet, values))}


def _exact(searcher: Searcher, query: Query, facet: str, size: int, answer: dict[str, Any]) -> Counted:
    counted = _pairs(answer)
    wrong, more = answer.get("doc_count_error_upper_bound") or 0, answer["sum_other_doc_count"]
    if len(counted) > size and more:
        last, least = counted[-1][1], counted[size - 1][1]
        if last + wrong >= least:
            # A value not shown may belong among the first.
            everything = {facet: _terms(facet, size=EVERYTHING, segment_size=EVERYTHING)}
            counted, wrong = _pairs(searcher.aggregate(query, everything)[facet]), 0
        elif wrong:
            counted = [pair for pair in counted if pair[1] + wrong >= least]
    if wrong:
        counted = _counted(searcher, query, facet, [value for value, _count in counted])
    counted.sort(key=lambda pair: (-pair[1], pair[0]))
    return counted[:size]


def _counted(searcher: Searcher, query: Query, facet: str, values: Sequence[str]) -> Counted:
    if not values:
        return []
    asked = _terms(facet, size=len(values), segment_size=len(values), include=list(values))
    return _pairs(searcher.aggregate(query, {facet: asked})[facet])


def _terms(facet: str, **options: Any) -> dict[str, Any]:
    return {"terms": {"field": f"facet_{facet}", "order": {"_count": "desc"}, **options}}


def _pairs(answer: dict[str, Any]) -> Counted:
    return [(bucket["key"], bucket["doc_count"]) for bucket in answer["buckets"]]
