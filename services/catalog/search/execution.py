"""Runs a query on the index; without hits, runs its corrections, and then a query of most of its words."""

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

LEAST_WORDS = 3  # with one of two words it would be another query
SHARE = 0.6  # of the content words are required
MOST_WORDS = 8  # of a longer query only the first words are used

# How a query was answered: as typed, corrected, or with most of its words.
Mode = Literal["", "corrected", "relaxed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, and the query that has them.

    match       the match tree of that query
    mode        "" when the query is the typed one and all its parts were required
    suggestion  a correction with more hits, where the typed query has few
    """

    hits: Hits
    query: Query
    match: Match
    mode: Mode = ""
    suggestion: Query | None = None


def run_query(
    index: Index, query: Query, request: Request, *, mode: Mode | None = None, widen: Callable[[Query], Match] = rank
) -> Answer:
    """Search once; without hits, search again for corrections and for most of the words.

    mode    how the page before was answered; None for a first page
    widen   builds the match of a correction; the match of the query itself is in the request
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    if not mode:
        hits_of_query = index.search(request)
        if mode == "" or hits_of_query.total >= FEW_HITS or not query.parts:
            return Answer(hits_of_query, query, request.match)
        if hits_of_query.total:
            return Answer(
                hits_of_query,
                query,
                request.match,
                suggestion=_find_suggestion(index, query, request, hits_of_query.total, widen),
            )
    if mode != "relaxed":
        for candidate in islice(corrections(index, query), MOST_CORRECTIONS):
            match = widen(candidate)
            hits = index.search(replace(request, match=match))
            if hits.total:
                return Answer(hits, candidate, match, "corrected")
    if mode != "corrected" and (relaxed_match := relax(index, query)) is not None:
        hits = index.search(replace(request, match=relaxed_match))
        if hits.total:
            return Answer(hits, query, relaxed_match, "relaxed")
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
    """Match records that have most of a query's words; None when too few of these words are in the index.

    Unknown words count as missing words. All other parts of the query (years, languages, exclusions) stay required.
    Records with more words, and with rarer words, come first.
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    content_parts = [part for part in query.parts if _has_content(part)][:MOST_WORDS]
    least_parts = math.ceil(SHARE * len(content_parts))
    if len(content_parts) < LEAST_WORDS:
        return None
    known_parts = [match for part in content_parts if index.search(Request(match := match_of(part), limit=0)).total]
    if len(known_parts) < least_parts:
        return None
    restrictions = [match_of(part) for part in query.parts if not isinstance(part, Word | Phrase)]
    enough_words = DisMax(tuple(And(combination) for combination in combinations(known_parts, least_parts)), 0.0)
    ranked = Boosted(And((enough_words, *restrictions)), tuple(known_parts))
    return Not(ranked, tuple(match_of(combination) for combination in query.without)) if query.without else ranked


def _has_content(part: Part) -> bool:
    if isinstance(part, Phrase):
        return True
    return isinstance(part, Word) and not all(is_stop_word(token) for token in tokens(part.text))
