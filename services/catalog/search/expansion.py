"""Query expansion by authority records: Buya Hamka also finds records under Hamka, ranked below exact matches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple
from weakref import WeakKeyDictionary

from chassis.database.db import Database
from services.catalog import queries
from services.catalog.analysis import is_light_word, tokens
from services.catalog.index.matches import DisMax, Match, Or, scaled
from services.catalog.search.query.tree import Part, Query, Word
from services.catalog.search.ranking.build import rank

MOST_WORDS = 7  # of a form
MOST_VARIANTS = 4  # of a query
# Multiplies the weights of a variant, so that variants rank below hits of the typed query.
VARIANT_WEIGHT = 0.3
CACHE_SECONDS = 30.0
MOST_CACHED_FORMS = 50_000  # forms whose hashes are cached: 5 MB; with more, every query reads the tables
MOST_CACHED_MATCHES = 1_000  # because queries repeat, among them those of next pages
_MOST_INVERTED = 2  # last words of a typed name that may come first in the heading


class Variant(NamedTuple):
    """A query with one heading replaced by another form. form: as in the authority record."""

    form: str
    query: Query


class _Cache(NamedTuple):
    """Data that is read once for many queries.

    until    monotonic time after which the forms are read again
    forms    hashes of all forms; None when there are too many
    matches  results of variant_matches
    """

    until: float
    forms: frozenset[int] | None
    matches: dict[Query, dict[Match, str]]


class _Span(NamedTuple):
    """Adjacent parts of a query that may be a form of a heading. forms: possible sort keys."""

    start: int
    end: int
    forms: tuple[str, ...]


_caches: WeakKeyDictionary[Database, _Cache] = WeakKeyDictionary()


def expand(database: Database, query: Query, match: Match | None = None) -> Match:
    """Build the match of a query and of its variants by other forms of headings.

    match   the query's own match, when the caller has it
    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    match = match or rank(query)
    others = tuple(variant_matches(database, query))
    return Or((match, DisMax(others, 0.0))) if others else match


def variant_matches(database: Database, query: Query) -> dict[Match, str]:
    """Return each variant's match -> the form that replaces the heading. Raises Unavailable DATABASE_UNAVAILABLE."""
    cache = _load_cache(database)
    matches = cache.matches.get(query)
    if matches is None:
        matches = {
            scaled(rank(variant.query), VARIANT_WEIGHT): variant.form for variant in heading_variants(database, query)
        }
        if len(cache.matches) < MOST_CACHED_MATCHES:
            cache.matches[query] = matches
    return matches


def heading_variants(database: Database, query: Query) -> list[Variant]:
    """Replace headings in the query by their other forms, longest headings first, at most MOST_VARIANTS.

    Every search calls this: the hashes of all forms are cached, and the tables are read, with one SELECT, only when
    the query has a form. Forms of every institution are used, because every search finds the records of all.
    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    hashes = _load_cache(database).forms
    if hashes is not None and not hashes:
        return []
    spans = [span for span in _spans(query.parts) if hashes is None or any(hash(form) in hashes for form in span.forms)]
    if not spans:
        return []
    texts_of: dict[str, list[str]] = {}
    for sort, text in queries.other_forms(database, list(dict.fromkeys(form for span in spans for form in span.forms))):
        texts_of.setdefault(sort, []).append(text)
    variants: dict[Query, str] = {}  # the longest heading first; of each heading, the preferred form first
    replaced_spans: list[tuple[int, int]] = []
    for start, end, forms in sorted(spans, key=lambda span: span.start - span.end):
        if any(other_start <= start and end <= other_end for other_start, other_end in replaced_spans):
            continue  # Amrullah inside Haji Abdul Malik Karim Amrullah is not another heading
        typed_tokens = {
            token for part in query.parts[start:end] if isinstance(part, Word) for token in tokens(part.text)
        }
        token_sets = [typed_tokens]
        texts = list(dict.fromkeys(text for form in forms for text in texts_of.get(form, ())))
        if texts:
            replaced_spans.append((start, end))
        for text in texts:
            words = tokens(text)
            if not any(
                known_tokens.issubset(words) for known_tokens in token_sets
            ):  # otherwise the variant has the same hits
                token_sets.append(set(words))
                variants.setdefault(_replace_span(query, start, end, words), text)
    return [Variant(text, variant) for variant, text in islice(variants.items(), MOST_VARIANTS)]


def has_forms(database: Database) -> bool:
    """Tell whether there are authority records. Raises Unavailable DATABASE_UNAVAILABLE."""
    forms = _load_cache(database).forms
    return forms is None or bool(forms)


def _load_cache(database: Database) -> _Cache:
    """Return the cached forms; the first caller after `until` reads them again."""
    cache, now = _caches.get(database), time.monotonic()
    if cache is None or cache.until < now:
        if cache is not None:  # so that other callers use the old forms meanwhile
            _caches[database] = cache._replace(until=now + CACHE_SECONDS)
        forms_in_order = queries.authority_forms(database, MOST_CACHED_FORMS + 1)
        forms = None if len(forms_in_order) > MOST_CACHED_FORMS else frozenset(map(hash, forms_in_order))
        cache = _caches[database] = _Cache(now + CACHE_SECONDS, forms, {})
    return cache


def _spans(parts: Sequence[Part]) -> Iterator[_Span]:
    """Yield every run of words of one field. A name is looked up as typed, and with its last one or two words first."""
    words_of_parts = [_heading_words(part) for part in parts]
    for start, first_part in enumerate(parts):
        if not words_of_parts[start] or not isinstance(first_part, Word):
            continue
        words: list[str] = []
        has_content = False
        for end in range(start + 1, min(start + MOST_WORDS, len(parts)) + 1):
            part = parts[end - 1]
            if not words_of_parts[end - 1] or not isinstance(part, Word) or part.field != first_part.field:
                break
            words += words_of_parts[end - 1]
            has_content = has_content or not all(map(is_light_word, words_of_parts[end - 1]))
            if has_content:
                inverted = (
                    [*words[-count:], *words[:-count]] for count in range(1, min(_MOST_INVERTED, len(words) - 1) + 1)
                )
                yield _Span(start, end, tuple(dict.fromkeys(map(" ".join, (words, *inverted)))))


def _heading_words(part: Part) -> list[str]:
    """Return the words of a part that may belong to a name or subject."""
    if isinstance(part, Word) and not part.prefix and part.field in ("", "author", "subject"):
        return tokens(part.text)
    return []


def _replace_span(query: Query, start: int, end: int, words: Sequence[str]) -> Query:
    first_part = query.parts[start]
    field = first_part.field if isinstance(first_part, Word) else ""
    replacement = tuple(Word(word, field) for word in words)
    return replace(query, parts=(*query.parts[:start], *replacement, *query.parts[end:]))
