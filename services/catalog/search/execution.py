"""Runs a query on the index. Without hits it runs corrections; with few hits it adds hits with a part of the words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice, tee
from typing import Literal, NamedTuple, TypeVar

from services.catalog.analysis import root
from services.catalog.index.matches import Match
from services.catalog.index.port import Hits, Index, Request
from services.catalog.search.class_recall import ClassFinder, QueryExpansion, QueryWords
from services.catalog.search.partial_hits import PartialMatch, match_partly
from services.catalog.search.query.tree import Query
from services.catalog.search.ranking.build import rank, whole_number
from services.catalog.search.recent import recent
from services.catalog.search.spelling import (
    FEW_HITS,
    MOST_CORRECTIONS,
    Candidates,
    QueryWord,
    candidates_of,
    candidates_of_real,
    correct_by_one_edit,
    corrections,
    corrections_side_by_side,
    offers,
    query_words,
)

T = TypeVar("T")
# How a query was answered: as typed, corrected, or with added hits that have a part of the words.
Mode = Literal["", "corrected", "relaxed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, and the query that found them.

    match       the match tree of that query
    mode        "" when the query is the typed one and all its parts were required
    suggestion  a correction with more hits, if the typed query has few or none
    partial     with added hits that have a part of the words: the match of all, and the words that hits may lack
    complete    with added hits: number of hits with all the words; these come first
    """

    hits: Hits
    query: Query
    match: Match
    mode: Mode = ""
    suggestion: Query | None = None
    partial: PartialMatch | None = None
    complete: int = 0


class _Replacement(NamedTuple):
    """The search that replaces a query without hits. partial, complete: as in Answer."""

    query: Query
    match: Match
    mode: Mode
    partial: PartialMatch | None = None
    complete: int = 0


def run_query(
    index: Index,
    query: Query,
    request: Request,
    *,
    mode: Mode | None = None,
    strict: bool = False,
    widen: Callable[[Query], Match] = rank,
    finder: ClassFinder | None = None,
    has_variants: bool = False,
) -> Answer:
    """Search once. Without hits, search for corrections; with few hits, add hits with a part of the words.

    mode    how the first page was answered; None for a first page
    strict  return only records with all the words as typed
    widen   builds the match of a correction; the match of the query itself is in the request
    finder  finds classes and related words; None to search only for the words of the query
    has_variants  `widen` may add other forms of headings
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    if not mode or strict:
        hits = index.search(request)
        if strict or mode == "" or hits.total >= FEW_HITS or not query.parts:
            return Answer(hits, query, request.match)
        return FallbackSearch(index, query, request, widen, finder, has_variants).answer(hits)
    return FallbackSearch(index, query, request, widen, finder, has_variants).continue_answer(mode)


@dataclass(frozen=True)
class FallbackSearch:
    """Answers a query that has few hits, or none: by a correction, or with hits that have a part of the words."""

    index: Index
    query: Query
    request: Request
    widen: Callable[[Query], Match]
    finder: ClassFinder | None
    has_variants: bool
    searched: list[tuple[Match, Hits]] = field(default_factory=list)

    @cached_property
    def words(self) -> list[QueryWord]:
        return query_words(self.index, self.query)

    @cached_property
    def unknown(self) -> Candidates:
        return candidates_of(self.index, self.words)

    @cached_property
    def real(self) -> Candidates:
        return candidates_of_real(self.index, self.words)

    @cached_property
    def expansion(self) -> QueryExpansion:
        return self._expand(self.query)

    def answer(self, hits: Hits) -> Answer:
        """Answer the first page. hits: the hits of the query as typed."""
        if hits.total:
            partial = self._remembered("partial", hits, self._find_partial)
            if partial is not None and self.request.sort == "relevance":
                more_hits = self._search(partial.match)
                if more_hits.total > hits.total:
                    return Answer(
                        more_hits, self.query, partial.match, "relaxed", self._suggest(hits), partial, hits.total
                    )
            return Answer(hits, self.query, self.request.match, suggestion=self._suggest(hits))
        replacement = self._remembered("other", hits, self._find_replacement)
        suggestion = self._suggest(hits) if replacement is None or replacement.mode == "relaxed" else None
        if replacement is not None:
            replacement = self._without_useless_part(replacement)
            hits_of_replacement = self._search(replacement.match)
            if hits_of_replacement.total:
                return Answer(hits_of_replacement, suggestion=suggestion, **replacement._asdict())
        return Answer(hits, self.query, self.request.match, suggestion=suggestion)

    def continue_answer(self, mode: Mode) -> Answer:
        """Answer a later page. mode: how the first page was answered."""
        replacement = self._find_correction() or self._relax_corrected() if mode == "corrected" else self._relax()
        if replacement is None:
            return Answer(self.index.search(self.request), self.query, self.request.match)
        replacement = self._without_useless_part(replacement)
        if replacement.mode == "relaxed":
            (complete,) = self.index.totals([self.request.match], filters=self.request.filters)
            replacement = replacement._replace(complete=complete)
        return Answer(self._search(replacement.match), **replacement._replace(mode=mode)._asdict())

    def _search(self, match: Match) -> Hits:
        """Search for the match of another query; once, because to find this query may have been a search for it."""
        for searched_match, hits in self.searched:
            if searched_match is match:
                return hits
        hits = self.index.search(replace(self.request, match=match))
        self.searched.append((match, hits))
        return hits

    def _remembered(self, kind: str, hits: Hits, find: Callable[[], T]) -> T:
        return recent(kind, self.index, hits, self.query, self.request, find)

    def _suggest(self, hits: Hits) -> Query | None:
        """Return a correction to offer, with more hits than the query; None when there is none."""

        def find() -> Query | None:
            counts = self._count_corrections(offers(self.index, self.query, self.words, self.real), MOST_CORRECTIONS)
            return next((candidate for candidate, _match, more in counts if more > hits.total), None)

        return self._remembered("suggestion", hits, find)

    def _find_partial(self) -> PartialMatch | None:
        """Return the match of a part of the words; None if the query is a number or has enough hits without filters.

        Filters do not count here, so that a facet's count stays the number of hits after a reader chooses it.
        """
        number = whole_number(self.query)
        if number is not None and next(iter(self.index.totals([number]))):
            return None
        if self.request.filters and next(iter(self.index.totals([self.request.match]))) >= FEW_HITS:
            return None
        return match_partly(self.index, self.query, self.request.match, self.expansion)

    def _find_replacement(self) -> _Replacement | None:
        """Return the first correction with hits; else the match of a part of the words, which may have no hits.

        Of these words, the unknown ones are corrected first.
        """
        return self._find_correction() or self._relax_corrected() or self._relax()

    def _find_correction(self) -> _Replacement | None:
        """Return the first correction with hits; None if all words are in the class table, so that none is misspelt.

        Most queries without hits have hits for the first correction, so that is searched and not counted.
        """
        if self.expansion.roots and self.expansion.roots.issuperset(QueryWords(self.query).heavy):
            return None
        others = chain(
            # A word of the lists is replaced only beside a misspelt word.
            corrections_side_by_side(self.index, self.query, {**self.unknown, **self.real})
            if self.unknown and self.real
            else (),
            corrections(self.index, self.query, self.words, self.unknown, has_variants=self.has_variants),
        )
        first = next(others, None)
        if first is None:
            return None
        match = self.widen(first)
        if total := self._search(match).total:
            return self._add_partial(first, match, total)
        for candidate, match, total in self._count_corrections(others, MOST_CORRECTIONS - 1):
            if total:
                return self._add_partial(candidate, match, total)
        return None

    def _add_partial(self, corrected: Query, match: Match, total: int) -> _Replacement:
        """Return a correction; hits with a part of its words follow if it has few hits."""
        partial = None
        # Filters do not count here, as in _find_partial.
        if total < FEW_HITS and (not self.request.filters or next(iter(self.index.totals([match]))) < FEW_HITS):
            partial = match_partly(self.index, corrected, match, self._expand(corrected))
        if partial is None:
            return _Replacement(corrected, match, "corrected")
        return _Replacement(corrected, partial.match, "corrected", partial, total)

    def _without_useless_part(self, replacement: _Replacement) -> _Replacement:
        """Remove the hits with a part of the words from a correction if there are none, or in another order."""
        if replacement.partial is None or not replacement.complete:
            return replacement
        if self.request.sort == "relevance" and self._search(replacement.match).total > replacement.complete:
            return replacement
        return _Replacement(replacement.query, replacement.partial.complete, replacement.mode)

    def _expand(self, query: Query) -> QueryExpansion:
        return QueryExpansion() if self.finder is None else self.finder.find(query)

    def _relax(self) -> _Replacement | None:
        partial = match_partly(self.index, self.query, self.request.match, self.expansion)
        return None if partial is None else _Replacement(self.query, partial.match, "relaxed", partial)

    def _relax_corrected(self) -> _Replacement | None:
        """Return the match of a part of the corrected words; None when no unknown word is near a known one."""
        corrected = correct_by_one_edit(
            self.query, {at: near for at, near in self.unknown.items() if root(at[1]) not in self.expansion.roots}
        )
        if corrected is None:
            return None
        partial = match_partly(self.index, corrected, self.widen(corrected), self._expand(corrected))
        return None if partial is None else _Replacement(corrected, partial.match, "corrected", partial)

    def _count_corrections(self, candidates: Iterable[Query], most: int) -> Iterator[tuple[Query, Match, int]]:
        """Yield the first corrections with their matches and the number of their hits under the request's filters."""
        pairs, counted = tee((candidate, self.widen(candidate)) for candidate in islice(candidates, most))
        totals = self.index.totals((match for _candidate, match in counted), filters=self.request.filters)
        return ((candidate, match, total) for (candidate, match), total in zip(pairs, totals, strict=True))
