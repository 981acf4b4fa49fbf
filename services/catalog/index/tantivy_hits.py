"""Hits of a tantivy search in an order that stands, as records and as works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tantivy
from tantivy import Occur, Order, Query, Schema, Searcher

from services.catalog.index.port import REACH, Request
from services.catalog.index.stored_fields import SORT_FIELDS, is_flat
from services.catalog.index.work_grouping import Edition, Page, Scored, grouped

TIE_MARGIN = 40  # hits read beyond the page, in case they tie with its last
SCORE_DIGITS = 4  # the same words may be added in another order, and differ in the sixth digit
USUAL_EDITIONS = 500  # of a page of works

# (score, number, where the document is)
Found = tuple[float, int, Any]


def hits(searcher: Searcher, _fields: Schema, request: Request, query: Query) -> tuple[int, Page]:
    """Total, and the wanted page of records."""
    total, found = _ordered(searcher, request, query)
    numbers, scores = [number for _score, number, _at in found], [score for score, _number, _at in found]
    return total, Page(numbers, scores, [], [], False)


def by_work(searcher: Searcher, fields: Schema, request: Request, query: Query) -> tuple[int, Page]:
    """Total, and the wanted page of works."""
    total = 0

    def first(asked: int) -> list[Scored]:
        nonlocal total
        total, found = _ordered(searcher, replace(request, offset=0, limit=asked), query)
        works = searcher.fast_field_values("work", [at for _score, _number, at in found])
        pairs = zip(found, works, strict=True)
        return [Scored(score, number, int(work or -number)) for (score, number, _at), work in pairs]

    def editions(works: Sequence[int]) -> list[Edition]:
        either = [(Occur.Should, Query.term_query(fields, "work", work)) for work in works]
        only = Query.const_score_query(Query.boolean_query(either), 0.0)
        narrowed = Query.boolean_query([(Occur.Must, query), (Occur.Must, only)])
        for limit in (USUAL_EDITIONS, REACH):
            found = searcher.search(narrowed, limit=limit, order_by_field="number", order=Order.Asc)
            if total_of(found) <= limit:
                break
        places = [at for _key, at in found.hits]
        columns = [searcher.fast_field_values(name, places) for name in ("number", "work", "edition")]
        return [Edition(int(n or 0), int(w or 0), int(e or 0)) for n, w, e in zip(*columns, strict=True)]

    page = grouped(request, first, editions)
    return total, page


def total_of(found: tantivy.SearchResult) -> int:
    return int(found.count)  # type: ignore[attr-defined]  # its stub forgets it


def _ordered(searcher: Searcher, request: Request, query: Query) -> tuple[int, list[Found]]:
    offset, limit = request.offset, min(request.limit, REACH - request.offset)
    field, order = SORT_FIELDS.get(request.sort), Order.Desc if request.sort == "year" else Order.Asc
    if request.sort == "relevance" and is_flat(request.match):
        field = "number"
    if field is not None or limit < 1:
        # A limit of 0 would panic.
        found = searcher.search(query, limit=max(limit, 1), offset=offset, order_by_field=field, order=order)
        places = [address for _key, address in found.hits[: max(limit, 0)]]
        numbers = searcher.fast_field_values("number", places)
        return total_of(found), [(0.0, int(number or 0), at) for number, at in zip(numbers, places, strict=True)]
    return _by_relevance(searcher, query, offset, limit)


def _by_relevance(searcher: Searcher, query: Query, offset: int, limit: int) -> tuple[int, list[Found]]:
    """tantivy breaks ties by where a merge happens to have put a document: read to the end of the page's last tie."""
    wanted = offset + limit
    asked = wanted + TIE_MARGIN
    while True:
        found = searcher.search(query, limit=asked)
        hits = found.hits
        if len(hits) < asked or round(hits[-1][0], SCORE_DIGITS) < round(hits[wanted - 1][0], SCORE_DIGITS):
            break
        asked *= 4
    end = min(wanted, len(hits))
    while 0 < end < len(hits) and round(hits[end][0], SCORE_DIGITS) == round(hits[end - 1][0], SCORE_DIGITS):
        end += 1
    numbers = searcher.fast_field_values("number", [address for _score, address in hits[:end]])
    ranked = sorted(
        (-round(float(hit[0]), SCORE_DIGITS), int(number or 0), place)
        for place, (hit, number) in enumerate(zip(hits[:end], numbers, strict=True))
    )
    return total_of(found), [
        (float(hits[place][0]), number, hits[place][1]) for _rounded, number, place in ranked[offset:wanted]
    ]
