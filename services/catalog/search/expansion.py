"""Other forms of a heading: who says Buya Hamka finds what stands under Hamka, below what says it as it was typed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple
from weakref import WeakKeyDictionary

from chassis.db import Database
from services.catalog import queries
from services.catalog.analysis import is_stop_word, tokens
from services.catalog.index.matches import DisMax, Match, Or, scaled
from services.catalog.search.query.tree import Part, Query, Word
from services.catalog.search.ranking.build import rank

MOST_WORDS = 7  # of a form that is looked up
MOST_VARIANTS = 4  # of a query
# A variant is another way to say it, not what was said: with this share of the weights it stays below.
VARIANT_WEIGHT = 0.3
CACHE_SECONDS = 30.0
CACHE_SECONDS_PER_READ_SECOND = (
    1_000  # as long as it took to read them: 50,000 forms take 0.1 s, and are read again after 100 s
)
MOST_CACHE_SECONDS = 300.0
MOST_CACHED_FORMS = 50_000  # forms whose hashes are kept: 5 MB; with more, every query asks the tables
MOST_CACHED_MATCHES = 1_000  # remembered; readers and their next pages repeat themselves
_MOST_INVERTED = 2  # last words of a name that may stand first in its list


class Variant(NamedTuple):
    """A query with one heading in it said otherwise. form: how, as its authority record has it."""

    form: str
    query: Query


class _Cache(NamedTuple):
    """until: time to look again. forms: hashes of all that there are; None: more than are kept. answers: of matches."""

    until: float
    forms: frozenset[int] | None
    answers: dict[Query, dict[Match, str]]


class _Span(NamedTuple):
    """Parts of a query, side by side, that may be a form; forms: how its list would sort it."""

    start: int
    end: int
    forms: tuple[str, ...]


_caches: WeakKeyDictionary[Database, _Cache] = WeakKeyDictionary()


def expand(database: Database, query: Query, match: Match | None = None) -> Match:
    """What matches, and what would if a form of a heading in the query were another one of the same heading.

    match   what the query is without its variants, when that is at hand
    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    match = match or rank(query)
    found = tuple(variant_matches(database, query))
    return Or((match, DisMax(found, 0.0))) if found else match


def variant_matches(database: Database, query: Query) -> dict[Match, str]:
    """What a query is widened by -> the form that it says instead. Raises Unavailable DATABASE_UNAVAILABLE."""
    kept = _load_cache(database)
    answer = kept.answers.get(query)
    if answer is None:
        answer = {scaled(rank(each.query), VARIANT_WEIGHT): each.form for each in heading_variants(database, query)}
        if len(kept.answers) < MOST_CACHED_MATCHES:
            kept.answers[query] = answer
    return answer


def heading_variants(database: Database, query: Query) -> list[Variant]:
    """The query with other forms of the headings in it, longest headings first, at most MOST_VARIANTS.

    Every search comes here: which forms there are is kept in memory, and the tables are asked, with one SELECT, only
    when the query says one. Forms of every institution count for all, as their records are found by all.
    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    known = _load_cache(database).forms
    if known is not None and not known:
        return []
    spans = [span for span in _spans(query.parts) if known is None or any(hash(form) in known for form in span.forms)]
    if not spans:
        return []
    others: dict[str, list[str]] = {}
    for sort, text in queries.other_forms(database, list(dict.fromkeys(form for span in spans for form in span.forms))):
        others.setdefault(sort, []).append(text)
    found: dict[Query, str] = {}  # longest first, and of one heading first what it is called
    done: list[tuple[int, int]] = []
    for start, end, forms in sorted(spans, key=lambda span: span.start - span.end):
        if any(first <= start and end <= last for first, last in done):
            continue  # Amrullah in Haji Abdul Malik Karim Amrullah is no other one
        typed = {token for part in query.parts[start:end] if isinstance(part, Word) for token in tokens(part.text)}
        said = [typed]
        there = list(dict.fromkeys(text for form in forms for text in others.get(form, ())))
        if there:
            done.append((start, end))
        for text in there:
            words = tokens(text)
            if not any(each.issubset(words) for each in said):  # else it finds nothing that was not found
                said.append(set(words))
                found.setdefault(_replace_span(query, start, end, words), text)
    return [Variant(text, each) for each, text in islice(found.items(), MOST_VARIANTS)]


def has_forms(database: Database) -> bool:
    """Whether there are authority records at all. Raises Unavailable DATABASE_UNAVAILABLE."""
    forms = _load_cache(database).forms
    return forms is None or bool(forms)


def _load_cache(database: Database) -> _Cache:
    """Which forms there are, KEPT_SECONDS or KEPT_TIMES old; the first who comes after that reads them anew."""
    kept, now = _caches.get(database), time.monotonic()
    if kept is None or kept.until < now:
        if kept is not None:  # who comes meanwhile is content with what was
            _caches[database] = kept._replace(until=now + CACHE_SECONDS)
        found = queries.forms(database, MOST_CACHED_FORMS + 1)
        forms = None if len(found) > MOST_CACHED_FORMS else frozenset(map(hash, found))
        read = time.monotonic()
        kept_for = max(CACHE_SECONDS, min(CACHE_SECONDS_PER_READ_SECOND * (read - now), MOST_CACHE_SECONDS))
        kept = _caches[database] = _Cache(read + kept_for, forms, {})
    return kept


def _spans(parts: Sequence[Part]) -> Iterator[_Span]:
    """Every run of words of one field. A name is looked up as it was typed, and with its last word or two first."""
    said = [_heading_words(each) for each in parts]
    for start, first in enumerate(parts):
        if not said[start] or not isinstance(first, Word):
            continue
        found: list[str] = []
        deciding = False
        for end in range(start + 1, min(start + MOST_WORDS, len(parts)) + 1):
            part = parts[end - 1]
            if not said[end - 1] or not isinstance(part, Word) or part.field != first.field:
                break
            found += said[end - 1]
            deciding = deciding or not all(map(is_stop_word, said[end - 1]))
            if deciding:
                turned = (
                    [*found[-last:], *found[:-last]] for last in range(1, min(_MOST_INVERTED, len(found) - 1) + 1)
                )
                yield _Span(start, end, tuple(dict.fromkeys(map(" ".join, (found, *turned)))))


def _heading_words(part: Part) -> list[str]:
    """The words of a part that may be of a name or subject; none of another."""
    if isinstance(part, Word) and not part.prefix and part.field in ("", "author", "subject"):
        return tokens(part.text)
    return []


def _replace_span(query: Query, start: int, end: int, words: Sequence[str]) -> Query:
    first = query.parts[start]
    field = first.field if isinstance(first, Word) else ""
    inside = tuple(Word(each, field) for each in words)
    return replace(query, parts=(*query.parts[:start], *inside, *query.parts[end:]))
