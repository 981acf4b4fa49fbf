"""Asking the index: once as the query stands and, where nothing is found, as it may have been meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from services.catalog.index.matches import Match
from services.catalog.index.port import Hits, Index, Request
from services.catalog.search.query.tree import Query
from services.catalog.search.ranking.build import rank
from services.catalog.search.relaxation import relax
from services.catalog.search.spelling import FEW_HITS, MOST_CORRECTIONS, commoner_spellings, corrections

# How a question was answered: as it was asked, spelt otherwise, or with most of its words.
Mode = Literal["", "corrected", "relaxed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the index said, and to which query.

    match    what the index was asked
    mode     the query is not the one that was typed, or not all of it was asked for
    offered  how it may have been meant, where something was found all the same
    """

    hits: Hits
    query: Query
    match: Match
    mode: Mode = ""
    offered: Query | None = None


def run_query(
    index: Index, query: Query, request: Request, *, mode: Mode | None = None, widen: Callable[[Query], Match] = rank
) -> Answer:
    """One request; where nothing is found, some more for what may have been meant.

    mode    how the page before was answered; None for a first page
    widen   what the index is asked for a query that may have been meant; of this one it is in the request
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    if not mode:
        first = index.search(request)
        if mode == "" or first.total >= FEW_HITS or not query.parts:
            return Answer(first, query, request.match)
        if first.total:
            return Answer(
                first, query, request.match, offered=_find_suggestion(index, query, request, first.total, widen)
            )
    if mode != "relaxed":
        for meant in islice(corrections(index, query), MOST_CORRECTIONS):
            match = widen(meant)
            hits = index.search(replace(request, match=match))
            if hits.total:
                return Answer(hits, meant, match, "corrected")
    if mode != "corrected" and (most := relax(index, query)) is not None:
        hits = index.search(replace(request, match=most))
        if hits.total:
            return Answer(hits, query, most, "relaxed")
    return Answer(index.search(request), query, request.match)


def _find_suggestion(
    index: Index, query: Query, request: Request, found: int, widen: Callable[[Query], Match]
) -> Query | None:
    """Another spelling that finds more than the few there are; None where there is none."""
    for meant in islice(commoner_spellings(index, query), MOST_CORRECTIONS):
        if index.search(replace(request, match=widen(meant), facets=(), offset=0, limit=0)).total > found:
            return meant
    return None
