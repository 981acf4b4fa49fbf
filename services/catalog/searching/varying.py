"""Other forms of a heading: who says Buya Hamka finds what stands under Hamka, below what says it as it was typed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple
from weakref import WeakKeyDictionary

from chassis.db import Database
from services.catalog.analysis import is_stop_word, tokens
from services.catalog.query import Part, Query, Word
from services.catalog.ranking import (
    All,
    Any,
    Best,
    Between,
    But,
    Fuzzy,
    Keyword,
    Match,
    Phrase,
    Prefer,
    Prefix,
    Term,
    rank,
)

MOST_WORDS = 7  # of a form that is looked up
MOST_VARIANTS = 4  # of a query
# A variant is another way to say it, not what was said: with this share of the weights it stays below.
WEIGHT = 0.3
KEPT_SECONDS = 30.0

_FORMS = """
SELECT said.sort, other.text FROM authority_forms said
JOIN authority_forms other ON other.authority_number = said.authority_number AND other.position <> said.position
WHERE said.kind IN ('author', 'subject') AND said.relation <> 'see_also' AND other.relation <> 'see_also'
AND said.sort {} ORDER BY other.authority_number, other.position
"""
_any: WeakKeyDictionary[Database, tuple[float, bool]] = WeakKeyDictionary()


class _Span(NamedTuple):
    """Parts of a query, side by side, that may be a form; forms: how its list would sort it."""

    start: int
    end: int
    forms: tuple[str, ...]


def widened(database: Database, query: Query, match: Match) -> Match:
    """What matches, and what would if a form of a heading in the query were another one of the same heading.

    One SELECT; none while there are no authority records.
    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    found = variants(database, query)
    if not found:
        return match
    return Any((match, *(scaled(rank(each), WEIGHT) for each in found)))


def variants(database: Database, query: Query) -> list[Query]:
    """The query with other forms of the headings in it, longest headings first, at most MOST_VARIANTS.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    spans = list(_spans(query.parts)) if _has_authorities(database) else []
    if not spans:
        return []
    asked = list(dict.fromkeys(form for span in spans for form in span.forms))
    others: dict[str, list[str]] = {}
    for sort, text in _rows(database, asked):
        others.setdefault(sort, []).append(text)
    found: dict[Query, None] = {}
    for start, end, forms in sorted(spans, key=lambda span: span.start - span.end):
        typed = {token for part in query.parts[start:end] if isinstance(part, Word) for token in tokens(part.text)}
        for text in dict.fromkeys(text for form in forms for text in others.get(form, ())):
            words = tokens(text)
            if not typed.issubset(words):  # else it finds nothing that was not found
                found[_with(query, start, end, words)] = None
    return list(found)[:MOST_VARIANTS]


def scaled(match: Match, factor: float) -> Match:
    """The same with this share of every weight."""
    match match:
        case Between():
            return match
        case Term() | Prefix() | Fuzzy() | Phrase() | Keyword():
            return replace(match, boost=match.boost * factor)
        case Best(choices=parts):
            return replace(match, choices=tuple(scaled(each, factor) for each in parts))
        case All(of=parts) | Any(of=parts):
            return replace(match, of=tuple(scaled(each, factor) for each in parts))
        case But(match=inner):
            return replace(match, match=scaled(inner, factor))
        case Prefer(match=inner, bonus=bonus):
            return Prefer(scaled(inner, factor), tuple(scaled(each, factor) for each in bonus))


def _has_authorities(database: Database) -> bool:
    now = time.monotonic()
    kept = _any.get(database)
    if kept is None or kept[0] < now:
        kept = now + KEPT_SECONDS, bool(database.rows("SELECT 1 FROM authorities LIMIT 1", ()))
        _any[database] = kept
    return kept[1]


def _rows(database: Database, forms: list[str]) -> list[tuple[str, str]]:
    if database.is_sqlite:
        return database.rows(_FORMS.format(f"IN ({','.join('?' * len(forms))})"), forms)
    return database.rows(_FORMS.format("= ANY(%s)"), (forms,))


def _spans(parts: Sequence[Part]) -> Iterator[_Span]:
    """Every run of words of one field. A name is looked up as it was typed, and with its last word first."""
    for start, first in enumerate(parts):
        if not isinstance(first, Word) or first.field not in ("", "author", "subject"):
            continue
        found: list[str] = []
        for end, part in enumerate(parts[start : start + MOST_WORDS], start + 1):
            if not isinstance(part, Word) or part.field != first.field or part.prefix:
                break
            found += tokens(part.text)
            if not found or all(is_stop_word(each) for each in found):
                continue
            typed, turned = " ".join(found), " ".join([found[-1], *found[:-1]])
            yield _Span(start, end, (typed, turned) if typed != turned else (typed,))


def _with(query: Query, start: int, end: int, words: Sequence[str]) -> Query:
    first = query.parts[start]
    field = first.field if isinstance(first, Word) else ""
    inside = tuple(Word(each, field) for each in words)
    return replace(query, parts=(*query.parts[:start], *inside, *query.parts[end:]))
