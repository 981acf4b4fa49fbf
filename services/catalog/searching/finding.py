"""One search: understand, ask the index, fetch what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from chassis.context import Context
from chassis.db import Database
from services.catalog import queries
from services.catalog.index import REACH, Index, Request
from services.catalog.searching import bounds
from services.catalog.searching.asking import Answer, ask
from services.catalog.searching.counting import PLACES, Facet, facet_of
from services.catalog.searching.cursors import Cursor, digest, opened
from services.catalog.searching.highlighting import highlights, marks_of
from services.catalog.searching.naming import place_names


@dataclass(frozen=True, slots=True)
class Hit:
    """A record found. id: as text; brief, holdings: UTF-8 JSON, ready; highlights: field of the brief -> pieces."""

    id: str
    score: float
    brief: bytes
    holdings: bytes
    highlights: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Found:
    """One page.

    next          cursor of the next page; "" at the end, or at the end of what paging reaches
    changed       the index is not as it was for the page before: hits may repeat or be missing
    understood    the query as we read it
    did_you_mean  set when misspelt words were forgiven: the query whose hits these are
    """

    total: int
    hits: list[Hit]
    next: str
    changed: bool
    facets: list[Facet]
    understood: str
    did_you_mean: str = ""


def search(
    database: Database,
    index: Index,
    *,
    context: Context,
    query: str = "",
    filters: Mapping[str, tuple[str, ...]] | None = None,
    facets: tuple[str, ...] = (),
    sort: str = "",
    cursor: str = "",
    limit: int = 0,
    highlight: bool = False,
) -> Found:
    """Find records.

    query      as typed, at most 500 characters and 32 words; empty for everything
    filters    facet -> values; values within a facet are alternatives, facets restrict together
    facets     facets to count, ten values each and the chosen ones
    sort       relevance (also when empty), year, year_asc, title
    cursor     Found.next of the page before; empty for the first
    limit      1 to 100; 0 for 10
    highlight  say which words were found
    raises     Invalid      QUERY_TOO_LONG, FACET_UNKNOWN, FACET_VALUES_OUT_OF_BOUNDS, SORT_UNKNOWN,
                            LIMIT_OUT_OF_BOUNDS, CURSOR_FOREIGN
               Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
               TooLate      DEADLINE_PASSED
    """
    asked, match = bounds.understood(query)
    kept = bounds.allowed_filters(filters or {})
    order = bounds.allowed_sort(sort)
    wanted = bounds.allowed_limit(limit)
    question = digest(query, kept, order)
    came_from = opened(cursor, question) if cursor else None
    offset = came_from.offset if came_from else 0
    context.in_time()
    request = Request(
        match=match,
        filters=kept,
        facets=bounds.allowed_facets(facets),
        sort=order,
        offset=offset,
        limit=min(wanted, REACH - offset),
    )
    answer = ask(index, asked, request, forgiven=came_from.forgiven if came_from else None)
    numbers = answer.hits.numbers
    reached = offset + len(numbers)
    more = bool(numbers) and reached < min(answer.hits.total, REACH)
    shown = queries.briefs(database, numbers)
    names = {} if set(PLACES).isdisjoint(request.facets) else place_names(database)
    return Found(
        total=answer.hits.total,
        hits=_hits(answer, shown, highlight=highlight),
        next=str(Cursor(reached, question, answer.hits.generation, answer.forgiven)) if more else "",
        changed=came_from is not None and came_from.generation != answer.hits.generation,
        facets=[facet_of(name, values, kept.get(name, ()), names) for name, values in answer.hits.facets.items()],
        understood=str(asked),
        did_you_mean=str(answer.query) if answer.forgiven else "",
    )


def _hits(answer: Answer, shown: Mapping[int, queries.Brief], *, highlight: bool) -> list[Hit]:
    """The hits in the index's order; one that has been deleted since is left out."""
    found = []
    marks = marks_of(answer.query) if highlight else {}
    for number, score in zip(answer.hits.numbers, answer.hits.scores, strict=True):
        row = shown.get(number)
        if row is not None:
            marked = highlights(marks, orjson.loads(row.brief)) if marks else {}
            found.append(Hit(row.id, score, row.brief, row.holdings, marked))
    return found
