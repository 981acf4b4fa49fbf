"""Completing what is being typed: titles, authors and subjects that begin so, then those with a word that does.

What begins so is looked up in the tables' order; what has the words, in the index. Both know folding, and neither
offers what nobody would find: a heading is offered while the index has records with it. Who begins a form that is not
used (Buya H…) is offered the one that is.
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
_SHORTEST = 2  # characters; one letter begins everything
_MOST_CANDIDATES = 30  # hits, titles or facet values among which the best are chosen
_MOST_HEADINGS = 60  # in order, among which the commonest are chosen


@dataclass(frozen=True, slots=True)
class Suggestion:
    """kind  "title", "author" or "subject" """

    text: str
    kind: str


def suggest(database: Database, index: Index, *, context: Context, prefix: str, limit: int = 0) -> list[Suggestion]:
    """Complete what has been typed so far; the kinds take turns, each with what begins so first.

    What only has a word that begins so costs a search, and is looked for where less than a kind's share begins so.

    While the search engine is down, what begins so is all.
    limit   1 to 20; 0 for 8
    raises  Invalid      QUERY_TOO_LONG, LIMIT_OUT_OF_BOUNDS
            Unavailable  DATABASE_UNAVAILABLE
    """
    wanted = validation.allowed_limit(limit, usual=USUAL, most=MOST)
    words = tokens(validation.check_length(prefix))[: validation.MOST_WORDS]
    if not words or max(map(len, words)) < _SHORTEST:
        return []
    context.check_deadline()
    enough = -(-wanted // len(KINDS))
    kinds = (
        [Suggestion(text, "title") for text in _titles(database, index, words, enough)],
        [Suggestion(text, "author") for text in _headings(database, index, "author", words, enough)],
        [Suggestion(text, "subject") for text in _headings(database, index, "subject", words, enough)],
    )
    return list(_interleave(kinds))[:wanted]


def _titles(database: Database, index: Index, words: Sequence[str], enough: int) -> list[str]:
    """Titles that begin so, in order; where they are few, also the newest of those that have the words."""
    begin = (orjson.loads(brief)["title"] for brief in queries.titles_from(database, " ".join(words), _MOST_CANDIDATES))
    found = _best_first(begin, words)
    if len(found) < enough:
        try:
            numbers = index.search(
                Request(_match_beginning("title", words), sort="year", limit=_MOST_CANDIDATES)
            ).numbers
        except Unavailable as trouble:
            if trouble.reason not in ENGINE_DOWN:
                raise
            return found
        shown = queries.briefs(database, numbers)
        more = (orjson.loads(shown[number].brief)["title"] for number in numbers if number in shown)
        found = _best_first((*found, *more), words)
    return found


def _headings(database: Database, index: Index, kind: str, words: Sequence[str], enough: int) -> list[str]:
    """Headings that begin so, the commonest first; where they are few, also the commonest that have the words; then
    those to use instead of a form that begins so."""
    typed = " ".join(words)
    found = queries.headings_from(database, kind, typed, _MOST_HEADINGS)
    led = queries.headings_led_to(database, kind, typed, _MOST_CANDIDATES) if has_forms(database) else []
    try:
        counts = index.count_values(FACET_FIELDS[kind], [*found, *led]) if found or led else {}
        led = [each for each in led if counts[each]]
        found = sorted((each for each in found if counts[each]), key=lambda each: (-counts[each], each))
        if len(found) < enough:
            request = Request(_match_beginning(kind, words), facets=(kind,), facet_size=_MOST_CANDIDATES, limit=0)
            # A record has other headings too, which are left out.
            found += [value for value, _count in index.search(request).facets[kind]]
    except Unavailable as trouble:
        if trouble.reason not in ENGINE_DOWN:
            raise
    return list(dict.fromkeys((*_best_first(found, words), *led)))


def _match_beginning(field: str, words: Sequence[str]) -> Match:
    """Records with all of these words in a field, the last one as a beginning; a last letter alone is still no word."""
    last = words[-1]
    whole = tuple(Term(field, each) for each in dict.fromkeys(words[:-1]))
    if len(last) < _SHORTEST:
        return And(whole)
    return And((*whole, Prefix(field, last, 0.0)))


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


def _interleave(kinds: Iterable[list[Suggestion]]) -> Iterator[Suggestion]:
    for together in zip_longest(*kinds):
        yield from (each for each in together if each is not None)
