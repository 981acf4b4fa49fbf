"""Autocomplete: titles, authors and subjects that begin with the typed text, then those that contain its words.

Texts that begin with the typed text are read from the tables in their order, the others from the index. A heading is
suggested only if the index has records with it. The beginning of an unused form (Buya H…) suggests the preferred form.
"""

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
from services.catalog.index.matches import And, Match, Prefix, Term
from services.catalog.index.port import Index, Request
from services.catalog.index.stored_fields import FACET_FIELDS
from services.catalog.search import validation
from services.catalog.search.expansion import has_forms
from services.catalog.search.fallback import ENGINE_DOWN

USUAL, MOST = 8, 20
KINDS = ("title", "author", "subject")
_SHORTEST = 2  # characters; too many words begin with one letter
_MOST_CANDIDATES = 30  # hits, titles or facet values from which the best are chosen
_MOST_HEADINGS = 60  # in order, from which the most frequent are chosen


@dataclass(frozen=True, slots=True)
class Suggestion:
    """kind  "title", "author" or "subject" """

    text: str
    kind: str


def suggest(database: Database, index: Index, *, context: Context, prefix: str, limit: int = 0) -> list[Suggestion]:
    """Complete the typed text. The kinds alternate; of each kind, texts that begin with the typed text come first.

    Texts that only contain the words cost a search, which runs when the others do not fill the share of a kind. While
    the search engine is down, they are left out.
    limit   1 to 20; 0 for 8
    raises  Invalid      QUERY_TOO_LONG, LIMIT_OUT_OF_BOUNDS
            Unavailable  DATABASE_UNAVAILABLE
    """
    size = validation.allowed_limit(limit, usual=USUAL, most=MOST)
    words = tokens(validation.check_length(prefix))[: validation.MOST_WORDS]
    if not words or max(map(len, words)) < _SHORTEST:
        return []
    context.check_deadline()
    share = -(-size // len(KINDS))
    kinds = (
        [Suggestion(text, "title") for text in _titles(database, index, words, share)],
        [Suggestion(text, "author") for text in _headings(database, index, "author", words, share)],
        [Suggestion(text, "subject") for text in _headings(database, index, "subject", words, share)],
    )
    return list(_interleave(kinds))[:size]


def _titles(database: Database, index: Index, words: Sequence[str], share: int) -> list[str]:
    """List titles that begin with the words, in order; where they are few, also the newest that contain them."""
    titles_in_order = (
        orjson.loads(brief)["title"]
        for brief in queries.titles_with_prefix(database, " ".join(words), _MOST_CANDIDATES)
    )
    titles = _best_first(titles_in_order, words)
    if len(titles) < share:
        try:
            numbers = index.search(
                Request(_match_beginning("title", words), sort="year", limit=_MOST_CANDIDATES)
            ).numbers
        except Unavailable as problem:
            if problem.reason not in ENGINE_DOWN:
                raise
            return titles
        briefs = queries.briefs(database, numbers)
        titles_with_words = (orjson.loads(briefs[number].brief)["title"] for number in numbers if number in briefs)
        titles = _best_first((*titles, *titles_with_words), words)
    return titles


def _headings(database: Database, index: Index, kind: str, words: Sequence[str], share: int) -> list[str]:
    """List headings that begin with the words, the most frequent first; where they are few, also those that contain
    the words; then the preferred forms of unused forms that begin with the words."""
    text = " ".join(words)
    headings = queries.headings_with_prefix(database, kind, text, _MOST_HEADINGS)
    preferred = queries.preferred_headings(database, kind, text, _MOST_CANDIDATES) if has_forms(database) else []
    try:
        counts = index.count_values(FACET_FIELDS[kind], [*headings, *preferred]) if headings or preferred else {}
        preferred = [heading for heading in preferred if counts[heading]]
        headings = sorted(
            (heading for heading in headings if counts[heading]), key=lambda heading: (-counts[heading], heading)
        )
        if len(headings) < share:
            request = Request(_match_beginning(kind, words), facets=(kind,), facet_size=_MOST_CANDIDATES, limit=0)
            # A record has other headings too, which are left out.
            headings += [value for value, _count in index.search(request).facets[kind]]
    except Unavailable as problem:
        if problem.reason not in ENGINE_DOWN:
            raise
    return list(dict.fromkeys((*_best_first(headings, words), *preferred)))


def _match_beginning(field: str, words: Sequence[str]) -> Match:
    """Match records with all of these words in a field, the last as a beginning unless it is a single letter."""
    last = words[-1]
    words_before = tuple(Term(field, word) for word in dict.fromkeys(words[:-1]))
    if len(last) < _SHORTEST:
        return And(words_before)
    return And((*words_before, Prefix(field, last, 0.0)))


def _best_first(texts: Iterable[str], words: Sequence[str]) -> list[str]:
    """List the texts that have the words, without repetition, those that begin with them first."""
    beginning: dict[str, str] = {}
    containing: dict[str, str] = {}
    text_of_words = " ".join(words)
    for text in texts:
        tokens_of_text = tokens(text)
        if " ".join(tokens_of_text).startswith(text_of_words):
            beginning.setdefault(" ".join(tokens_of_text), text)
        elif set(words[:-1]) <= set(tokens_of_text) and any(token.startswith(words[-1]) for token in tokens_of_text):
            containing.setdefault(" ".join(tokens_of_text), text)
    return [*beginning.values(), *containing.values()]


def _interleave(kinds: Iterable[list[Suggestion]]) -> Iterator[Suggestion]:
    for suggestions in zip_longest(*kinds):
        yield from (suggestion for suggestion in suggestions if suggestion is not None)
