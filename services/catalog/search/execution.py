"""Runs a query on the index; without hits, runs its corrections, and then a query of most of its words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, islice, tee
from typing import Literal, NamedTuple

from services.catalog.analysis import is_light_word, tokens
from services.catalog.index.matches import And, Boosted, DisMax, Match, Not
from services.catalog.index.port import Hits, Index, Request
from services.catalog.search.query.tree import Part, Phrase, Query, Word
from services.catalog.search.ranking.build import match_of, rank
from services.catalog.search.recent import recent
from services.catalog.search.spelling import FEW_HITS, MOST_CORRECTIONS, QueryWord, corrections, offers, query_words

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
    suggestion  a correction with more hits, where the typed query has few or none
    """

    hits: Hits
    query: Query
    match: Match
    mode: Mode = ""
    suggestion: Query | None = None


class _Other(NamedTuple):
    """What is searched instead of a query without hits."""

    query: Query
    match: Match
    mode: Mode


def run_query(
    index: Index,
    query: Query,
    request: Request,
    *,
    mode: Mode | None = None,
    widen: Callable[[Query], Match] = rank,
    before_slow_work: Callable[[], None] = lambda: None,
) -> Answer:
    """Search once; without hits, search again for corrections and for most of the words.

    mode    how the page before was answered; None for a first page
    widen   builds the match of a correction; the match of the query itself is in the request
    before_slow_work  called before work that takes several times as long as a search with hits
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """

    @cache
    def words() -> list[QueryWord]:
        return query_words(index, query)

    hits_of_query = None
    if not mode:
        hits_of_query = index.search(request)
        if mode == "" or hits_of_query.total >= FEW_HITS or not query.parts:
            return Answer(hits_of_query, query, request.match)
        if hits_of_query.total:
            suggestion = _recent_suggestion(index, hits_of_query, query, request, widen, words)
            return Answer(hits_of_query, query, request.match, suggestion=suggestion)
        other = recent(
            "other",
            index,
            hits_of_query,
            query,
            request,
            lambda: _find_other(index, query, request, widen, mode, words),
            before_slow_work=before_slow_work,
        )
    else:
        before_slow_work()
        other = _find_other(index, query, request, widen, mode, words)
    suggestion = None
    if hits_of_query is not None and (other is None or other.mode == "relaxed"):
        suggestion = _recent_suggestion(index, hits_of_query, query, request, widen, words)
    if other is not None:
        hits = index.search(replace(request, match=other.match))
        if hits.total:
            return Answer(hits, other.query, other.match, other.mode, suggestion)
    return Answer(hits_of_query or index.search(request), query, request.match, suggestion=suggestion)


def _find_other(
    index: Index,
    query: Query,
    request: Request,
    widen: Callable[[Query], Match],
    mode: Mode | None,
    words: Callable[[], list[QueryWord]],
) -> _Other | None:
    """Return the first correction with hits, or else the relaxed query, which may have none.

    mode  how the page before was answered
    """
    if mode != "relaxed":
        for candidate, match, total in _count_corrections(index, corrections(index, query, words()), request, widen):
            if total:
                return _Other(candidate, match, "corrected")
    if mode != "corrected" and (relaxed_match := relax(index, query)) is not None:
        return _Other(query, relaxed_match, "relaxed")
    return None


def _recent_suggestion(
    index: Index,
    hits: Hits,
    query: Query,
    request: Request,
    widen: Callable[[Query], Match],
    words: Callable[[], list[QueryWord]],
) -> Query | None:
    """Return an offered correction with more hits than the query; None when there is none."""

    def find() -> Query | None:
        counts = _count_corrections(index, offers(index, query, words()), request, widen)
        return next((candidate for candidate, _match, more in counts if more > hits.total), None)

    return recent("suggestion", index, hits, query, request, find)


def _count_corrections(
    index: Index, candidates: Iterable[Query], request: Request, widen: Callable[[Query], Match]
) -> Iterator[tuple[Query, Match, int]]:
    """Yield the first corrections with their matches and the number of their hits under the request's filters."""
    pairs, counted = tee((candidate, widen(candidate)) for candidate in islice(candidates, MOST_CORRECTIONS))
    totals = index.totals((match for _candidate, match in counted), filters=request.filters)
    return ((candidate, match, total) for (candidate, match), total in zip(pairs, totals, strict=True))


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
    matches = [match_of(part) for part in content_parts]
    known_parts = [match for match, total in zip(matches, index.totals(matches), strict=True) if total]
    if len(known_parts) < least_parts:
        return None
    restrictions = [match_of(part) for part in query.parts if not isinstance(part, Word | Phrase)]
    enough_words = DisMax(tuple(And(combination) for combination in combinations(known_parts, least_parts)), 0.0)
    ranked = Boosted(And((enough_words, *restrictions)), tuple(known_parts))
    return Not(ranked, tuple(match_of(combination) for combination in query.without)) if query.without else ranked


def _has_content(part: Part) -> bool:
    if isinstance(part, Phrase):
        return True
    return isinstance(part, Word) and not all(is_light_word(token) for token in tokens(part.text))
