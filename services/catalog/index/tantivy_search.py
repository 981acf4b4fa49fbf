"""Hits, works and exact facet counts of a tantivy search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tantivy
from tantivy import Occur, Order, Query, Schema, Searcher

from services.catalog.index.port import REACH, FacetOrder, Request, Sums
from services.catalog.index.stored_fields import (
    FILTER_FIELDS,
    LONGEST_VALUE,
    SORT_FIELDS,
    is_unscored,
    sort_facet_values,
)
from services.catalog.index.work_grouping import Edition, HitPage, ScoredHit, group_by_work

TIE_MARGIN = 40  # hits read beyond the page, because they may tie with its last hit
SCORE_DIGITS = 4  # of a score: the sum of the same parts in another order may differ in the sixth digit
USUAL_EDITIONS = 500  # most pages of works have fewer
MOST_BITS = 24  # a score is a float of 32 bits, which is exact below 2**24
SEGMENT_VALUES = 300  # most frequent values of each segment that are read first
MOST_BUCKETS = 65_000  # tantivy's own limit

# (score, number, address of the document)
TantivyHit = tuple[float, int, Any]
ValueCounts = list[tuple[str, int]]


def find_records(searcher: Searcher, _fields: Schema, request: Request, query: Query) -> tuple[int, HitPage]:
    """Return the total and the requested page of records."""
    total, hits = _sorted_hits(searcher, request, query)
    numbers, scores = [number for _score, number, _address in hits], [score for score, _number, _address in hits]
    return total, HitPage(numbers, scores, [], [], False)


def find_works(searcher: Searcher, fields: Schema, request: Request, query: Query) -> tuple[int, HitPage]:
    """Return the total (of records) and the requested page of works."""
    total = 0

    def first_hits(limit: int) -> list[ScoredHit]:
        nonlocal total
        total, hits = _sorted_hits(searcher, replace(request, offset=0, limit=limit), query)
        works = searcher.fast_field_values("work", [address for _score, _number, address in hits])
        pairs = zip(hits, works, strict=True)
        return [ScoredHit(score, number, int(work or -number)) for (score, number, _address), work in pairs]

    def editions(works: Sequence[int]) -> list[Edition]:
        any_work = [(Occur.Should, Query.term_query(fields, "work", work)) for work in works]
        of_works = Query.const_score_query(Query.boolean_query(any_work), 0.0)
        query_of_works = Query.boolean_query([(Occur.Must, query), (Occur.Must, of_works)])
        for limit in (USUAL_EDITIONS, REACH):
            result = searcher.search(query_of_works, limit=limit, order_by_field="number", order=Order.Asc)
            if total_of(result) <= limit:
                break
        addresses = [address for _key, address in result.hits]
        columns = [searcher.fast_field_values(name, addresses) for name in ("number", "work", "edition")]
        return [Edition(int(n or 0), int(w or 0), int(e or 0)) for n, w, e in zip(*columns, strict=True)]

    page = group_by_work(request, first_hits, editions)
    return total, page


def find_matching(
    searcher: Searcher, schema: Schema, queries: Sequence[Query | None], numbers: Sequence[int]
) -> list[frozenset[int]]:
    """Return for each query which of these records match; no record for None."""
    if not numbers:
        return [frozenset() for _query in queries]
    matching: list[frozenset[int]] = []
    for start in range(0, len(queries), MOST_BITS):
        matching += _find_matching(searcher, schema, queries[start : start + MOST_BITS], numbers)
    return matching


def _find_matching(
    searcher: Searcher, schema: Schema, queries: Sequence[Query | None], numbers: Sequence[int]
) -> list[frozenset[int]]:
    """Search once for the records; the n-th query adds 2**n to the score of a record, so a score names its queries."""
    both = Query.const_score_query(
        Query.boolean_query([(Occur.Should, Query.term_query(schema, "number", number)) for number in numbers]), 0.0
    )
    for position, query in enumerate(queries):
        if query is not None:  # one level further out for each query, as in QueryTranslator._boosted
            bit = Query.const_score_query(query, float(1 << position))
            both = Query.boolean_query([(Occur.Must, both), (Occur.Should, bit)])
    hits = searcher.search(both, limit=len(numbers), count=False).hits
    record_numbers = searcher.fast_field_values("number", [address for _score, address in hits])
    bits_of = {int(number or 0): int(score) for number, (score, _address) in zip(record_numbers, hits, strict=True)}
    return [
        frozenset(number for number, bits in bits_of.items() if bits >> position & 1)
        for position in range(len(queries))
    ]


def total_of(result: tantivy.SearchResult) -> int:
    return int(result.count)  # type: ignore[attr-defined]  # missing in tantivy's stub


def _sorted_hits(searcher: Searcher, request: Request, query: Query) -> tuple[int, list[TantivyHit]]:
    offset, limit = request.offset, min(request.limit, REACH - request.offset)
    field, order = SORT_FIELDS.get(request.sort), Order.Desc if request.sort == "year" else Order.Asc
    if request.sort == "relevance" and is_unscored(request.match):
        field = "number"
    if field is not None or limit < 1:
        if limit < 1:  # no hit is read: count without scores
            query = Query.const_score_query(query, 0.0)
        # A limit of 0 would panic.
        result = searcher.search(query, limit=max(limit, 1), offset=offset, order_by_field=field, order=order)
        addresses = [address for _key, address in result.hits[: max(limit, 0)]]
        numbers = searcher.fast_field_values("number", addresses)
        pairs = zip(numbers, addresses, strict=True)
        return total_of(result), [(0.0, int(number or 0), address) for number, address in pairs]
    return _by_relevance(searcher, query, offset, limit)


def _by_relevance(searcher: Searcher, query: Query, offset: int, limit: int) -> tuple[int, list[TantivyHit]]:
    """Sort ties by title and number. Reads all hits that tie with the last, because tantivy returns ties unsorted."""
    page_end = offset + limit
    size = page_end + TIE_MARGIN
    while True:
        result = searcher.search(query, limit=size)
        hits = result.hits
        if len(hits) < size or round(hits[-1][0], SCORE_DIGITS) < round(hits[page_end - 1][0], SCORE_DIGITS):
            break
        size *= 4
    end = min(page_end, len(hits))
    while 0 < end < len(hits) and round(hits[end][0], SCORE_DIGITS) == round(hits[end - 1][0], SCORE_DIGITS):
        end += 1
    total = total_of(result)
    rounded_scores = [-round(score, SCORE_DIGITS) for score, _address in hits[:end]]
    if len(set(rounded_scores)) == len(rounded_scores):  # no ties: the order is that of the scores
        hits = hits[offset:page_end]
        numbers = searcher.fast_field_values("number", [address for _score, address in hits])
        pairs = zip(hits, numbers, strict=True)
        return total, [(score, int(number or 0), address) for (score, address), number in pairs]
    addresses = [address for _score, address in hits[:end]]
    numbers, titles = (searcher.fast_field_values(field, addresses) for field in ("number", "title_order"))
    ranked = sorted(
        (rounded, int(title or 0), int(number or 0), position)
        for position, (rounded, title, number) in enumerate(zip(rounded_scores, titles, numbers, strict=True))
    )
    return total, [
        (hits[position][0], number, hits[position][1]) for _rounded, _title, number, position in ranked[offset:page_end]
    ]


def first_facet_values(searcher: Searcher, query: Query, facets: Sequence[str], size: int) -> dict[str, ValueCounts]:
    """Return facet -> its first `size` values in sorting order. Counts are exact, because every segment lists them."""
    options = {
        facet: {"terms": {"field": f"facet_{facet}", "order": {"_key": "asc"}, "size": size, "segment_size": size}}
        for facet in facets
    }
    aggregations = searcher.aggregate(query, options)
    return {facet: sorted(_value_counts(aggregations[facet]))[:size] for facet in facets}


def most_frequent_values(searcher: Searcher, query: Query, facets: Sequence[str], size: int) -> dict[str, ValueCounts]:
    """Return facet -> its `size` most frequent values, with exact counts, ties by value.

    The terms aggregation cuts each segment's list and returns the largest possible error of the counts. Where this
    error may change the result, a second aggregation counts the candidates of all facets exactly.
    """
    candidates = 3 * size + 10
    options = {
        facet: _terms_aggregation(facet, size=candidates, segment_size=max(SEGMENT_VALUES, 50 * size))
        for facet in facets
    }
    aggregations = searcher.aggregate(query, options)
    counts = {facet: _value_counts(aggregations[facet]) for facet in facets}
    recounts = {facet: _recount_options(aggregations[facet], counts[facet], size) for facet in facets}
    recount = {facet: _terms_aggregation(facet, **terms) for facet, terms in recounts.items() if terms is not None}
    if recount:
        aggregations = searcher.aggregate(query, recount)
        counts.update((facet, _value_counts(aggregations[facet])) for facet in recount)
    return {facet: sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:size] for facet, pairs in counts.items()}


def count_facet_values(searcher: Searcher, query: Query, facet: str, values: Sequence[str]) -> dict[str, int]:
    """Count these values of a facet exactly; 0 where no document has the value."""
    options = {"terms": {"field": FILTER_FIELDS[facet], "order": {"_count": "desc"}, **_include(values)}}
    aggregations = searcher.aggregate(query, {facet: options})
    return {**dict.fromkeys(values, 0), **dict(_value_counts(aggregations[facet]))}


def count_keyword_values(searcher: Searcher, schema: Schema, field: str, values: Sequence[str]) -> dict[str, int]:
    """Count these values of a keyword field exactly; 0 where no document has the value.

    One search per value: an aggregation would read every document, a hundred times the cost at 100,000 documents.
    """
    return {
        value: total_of(searcher.search(Query.term_query(schema, field, value[:LONGEST_VALUE]), limit=1))
        for value in values
    }


def add_chosen_values(
    searcher: Searcher, query: Query, facet: str, chosen: Sequence[str], counts: ValueCounts, order: FacetOrder
) -> ValueCounts:
    """Add the values that a reader has chosen, even when no hit has them."""
    missing_values = set(chosen) - {value for value, _count in counts}
    missing_counts = count_facet_values(searcher, query, facet, sorted(missing_values)) if missing_values else {}
    return sort_facet_values([*counts, *missing_counts.items()], order)


def add_up(searcher: Searcher) -> Sums:
    """Add up all documents."""
    options = {field: {"sum": {"field": field}} for field in ("number", "version")}
    aggregations = searcher.aggregate(Query.all_query(), options)
    numbers, versions = (round(aggregations[field]["value"]) for field in ("number", "version"))
    return Sums(searcher.num_docs, numbers, versions)


def _recount_options(aggregation: dict[str, Any], counts: ValueCounts, size: int) -> dict[str, Any] | None:
    """Return the options of the second aggregation, for exact counts; None when the counts are already exact."""
    error, other_count = aggregation.get("doc_count_error_upper_bound") or 0, aggregation["sum_other_doc_count"]
    if len(counts) > size and other_count:
        last_count, least_count = counts[-1][1], counts[size - 1][1]
        if last_count + error >= least_count:
            # A value outside the list may belong to the first `size`.
            return {"size": MOST_BUCKETS, "segment_size": MOST_BUCKETS}
        if error:
            return _include([value for value, count in counts if count + error >= least_count])
    return _include([value for value, _count in counts]) if error else None


def _include(values: Sequence[str]) -> dict[str, Any]:
    return {"size": len(values), "segment_size": len(values), "include": list(values)}


def _terms_aggregation(facet: str, **options: Any) -> dict[str, Any]:
    return {"terms": {"field": f"facet_{facet}", "order": {"_count": "desc"}, **options}}


def _value_counts(aggregation: dict[str, Any]) -> ValueCounts:
    return [(bucket["key"], bucket["doc_count"]) for bucket in aggregation["buckets"]]
