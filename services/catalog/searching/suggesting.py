"""Completing what is being typed: titles, authors and subjects that have all the words, the last one begun."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import orjson

from chassis.context import Context
from chassis.db import Database
from chassis.errors import Unavailable
from services.catalog import queries
from services.catalog.analysis import tokens
from services.catalog.index import Index, Request
from services.catalog.ranking import All, Match, Prefix, Term
from services.catalog.searching import bounds
from services.catalog.searching.looking_up import DOWN, completions

USUAL, MOST = 8, 20
KINDS = ("title", "author", "subject")
_SHORTEST = 2  # characters; one letter begins everything
_LOOKED_AT = 30  # hits or facet values among which the best are chosen


@dataclass(frozen=True, slots=True)
class Suggestion:
    """kind  "title", "author" or "subject" """

    text: str
    kind: str


def suggest(database: Database, index: Index, *, context: Context, prefix: str, limit: int = 0) -> list[Suggestion]:
    """Complete what has been typed so far; the kinds take turns, each with what begins so first.

    limit   1 to 20; 0 for 8
    raises  Invalid      QUERY_TOO_LONG, LIMIT_OUT_OF_BOUNDS
            Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    wanted = bounds.allowed_limit(limit, usual=USUAL, most=MOST)
    words = tokens(bounds.typed(prefix))[: bounds.MOST_WORDS]
    if not words or max(map(len, words)) < _SHORTEST:
        return []
    context.in_time()
    try:
        kinds = (
            _titles(database, index, words),
            _headings(index, "author", words),
            _headings(index, "subject", words),
        )
    except Unavailable as trouble:
        if trouble.reason not in DOWN:
            raise
        kinds = _in_tables(database, context, words)
    named = [[Suggestion(text, kind) for text in texts] for kind, texts in zip(KINDS, kinds, strict=True)]
    return list(_in_turn(named))[:wanted]


def _in_tables(database: Database, context: Context, words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """What begins so, while the search engine is down."""
    numbers, authors, subjects = completions(database, context=context, words=words, limit=_LOOKED_AT)
    shown = queries.briefs(database, numbers)
    titles = (orjson.loads(shown[number].brief)["title"] for number in numbers if number in shown)
    return _best_first(titles, words), _best_first(authors, words), _best_first(subjects, words)


def _titles(database: Database, index: Index, words: Sequence[str]) -> list[str]:
    """Titles that begin so, newest first; where they are few, also those that have the words."""
    whole: Match = Prefix("opening", " ".join(words), 0.0)
    numbers = list(index.search(Request(whole, sort="year", limit=_LOOKED_AT)).numbers)
    if len(numbers) < USUAL:
        numbers += index.search(Request(_begun("title", words), sort="year", limit=_LOOKED_AT)).numbers
    if not numbers:
        return []
    shown = queries.briefs(database, numbers)
    titles = (orjson.loads(shown[number].brief)["title"] for number in numbers if number in shown)
    return _best_first(titles, words)


def _headings(index: Index, facet: str, words: Sequence[str]) -> list[str]:
    """Commonest headings of the records that match; a record has others too, which are left out."""
    request = Request(_begun(facet, words), facets=(facet,), facet_size=_LOOKED_AT, limit=0)
    return _best_first((value for value, _count in index.search(request).facets[facet]), words)


def _begun(field: str, words: Sequence[str]) -> Match:
    """Records with all of these words in a field, the last one as a beginning; a last letter alone is still no word."""
    last = words[-1]
    whole = tuple(Term(field, each) for each in dict.fromkeys(words[:-1]))
    if len(last) < _SHORTEST:
        return All(whole)
    return All((*whole, Prefix(field, last, 0.0)))


def _best_first(texts: Iterable[str], words: Sequence[str]) -> list[str]:
    """Texts that have the words, each once as folded, those that begin with them first; else in their order."""
    begin: dict[str, str] = {}
    have: dict[str, str] = {}
    typed = " ".join(words)
    for text in texts:
        found = tokens(text)
        if " ".join(found).startswith(typed):
            begin.setdefault(" ".join(found), text)
        elif set(words[:-1]) <= set(found) and any(each.startswith(words[-1]) for each in found):
            have.setdefault(" ".join(found), text)
    return [*begin.values(), *have.values()]


def _in_turn(kinds: Iterable[list[Suggestion]]) -> Iterator[Suggestion]:
    for together in zip_longest(*kinds):
        yield from (each for each in together if each is not None)
