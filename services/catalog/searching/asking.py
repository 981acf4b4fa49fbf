"""Asking the index: once as the query stands and, where few are found, as it may have been meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

from services.catalog.index import Hits, Index, Request
from services.catalog.query import Query
from services.catalog.ranking import rank
from services.catalog.searching.forgiving import FEW_HITS, MOST_GUESSES, guesses


@dataclass(frozen=True, slots=True)
class Answer:
    """What the index said, and to which query. forgiven: it is not the query as typed."""

    hits: Hits
    query: Query
    forgiven: bool = False


def ask(index: Index, query: Query, request: Request, *, forgiven: bool | None = None) -> Answer:
    """One request; where few are found, some more for what may have been meant.

    forgiven  whether the page before forgave; None for a first page
    raises    Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    first = index.search(replace(request, facets=(), offset=0, limit=0) if forgiven else request)
    if (forgiven is None and first.total < FEW_HITS and query.parts) or forgiven:
        for meant in islice(guesses(index, query), MOST_GUESSES):
            answer = index.search(replace(request, match=rank(meant)))
            if answer.total > first.total:
                return Answer(answer, meant, True)
    return Answer(index.search(request) if forgiven else first, query)
