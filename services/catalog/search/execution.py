"""Runs a query on the index; without hits, also its corrections, and then most of its words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import Literal

from services.catalog.analysis import is_stop_word, tokens
from services.catalog.index.matches import And, Boosted, DisMax, Match, Not
from services.catalog.index.port import Hits, Index, Request
from services.catalog.search.query.tree import Part, Phrase, Query, Word
from services.catalog.search.ranking.build import match_of, rank
from services.catalog.search.spelling import FEW_HITS, MOST_CORRECTIONS, commoner_spellings, corrections

LEAST_WORDS = 3  # one of two words is another query
SHARE = 0.6  # of the deciding words are required
MOST_WORDS = 8  # of a longer query only the first are used

# How a query was answered: as typed, corrected, or with most of its words.
Mode = Literal["", "corrected", "relaxed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, and the query that has them.

    match    what was searched for
    mode     "" when the query is the typed one and all of it was required
    offered  a correction with more hits, where the typed query has few
    """

    hits: Hits
    query: Query
    match: Match
    mode: Mode = ""
    offered: Query | None = None


def run_query(
    index: Index, query: Query, request: Request, *, mode: Mode | None = None, widen: Callable[[Query], Match] = rank
) -> Answer:
    """Search once; without hits, search a few times more for corrections and for most of the words.

    mode    how the page before was answered; None for a first page
    widen   builds the match of a correction; the match of the query itself is in the request
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
        for candidate in islice(corrections(index, query), MOST_CORRECTIONS):
            match = widen(candidate)
            hits = index.search(replace(request, match=match))
            if hits.total:
                return Answer(hits, candidate, match, "corrected")
    if mode != "corrected" and (match_most := relax(index, query)) is not None:
        hits = index.search(replace(request, match=match_most))
        if hits.total:
            return Answer(hits, query, match_most, "relaxed")
    return Answer(index.search(request), query, request.match)


def _find_suggestion(
    index: Index, query: Query, request: Request, total: int, widen: Callable[[Query], Match]
) -> Query | None:
    """Return a correction with more hits than the query; None when there is none."""
    for candidate in islice(commoner_spellings(index, query), MOST_CORRECTIONS):
        if index.search(replace(request, match=widen(candidate), facets=(), offset=0, limit=0)).total > total:
            return candidate
    return None


def relax(index: Index, query: Query) -> Match | None:
    """Match records that have most of a query's words; None when too few of them are in the index.

    Unknown words count among those that may be missing. Everything else in the query (years, languages, exclusions)
    stays required. Records with more, and rarer, words come first.
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    deciding = [part for part in query.parts if _decides(part)][:MOST_WORDS]
    least = math.ceil(SHARE * len(deciding))
    if len(deciding) < LEAST_WORDS:
        return None
    found_parts = [match for part in deciding if index.search(Request(match := match_of(part), limit=0)).total]
    if len(found_parts) < least:
        return None
    restrictions = [match_of(part) for part in query.parts if not isinstance(part, Word | Phrase)]
    enough_words = DisMax(tuple(And(combination) for combination in combinations(found_parts, least)), 0.0)
    ranked = Boosted(And((enough_words, *restrictions)), tuple(found_parts))
    return Not(ranked, tuple(match_of(combination) for combination in query.without)) if query.without else ranked


def _decides(part: Part) -> bool:
    if isinstance(part, Phrase):
        return True
    return isinstance(part, Word) and not all(is_stop_word(token) for token in tokens(part.text))
