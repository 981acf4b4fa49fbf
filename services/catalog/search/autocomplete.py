"""Autocomplete: titles, authors, subjects and series that begin with the typed text or have its words, and ISBNs.

Texts that begin with the typed text are read from the tables, in order; the others, among them subtitles and other
titles, from the index. A heading is suggested only if the index has records with it. For the beginning of an unused
form (Buya H…) the preferred form is suggested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import orjson

from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Unavailable
from services.catalog import queries
from services.catalog.analysis import root, squeeze, tokens
from services.catalog.index.matches import And, Match, Or, Prefix, Term
from services.catalog.index.port import Index, Request
from services.catalog.index.stored_fields import FACET_FIELDS
from services.catalog.marc.record import Record, Tags, by_tag, linked_tag, pick
from services.catalog.record.brief import all_isbns
from services.catalog.record.headings import tidy
from services.catalog.record.index_document import KIND_SIGNS
from services.catalog.search import validation
from services.catalog.search.expansion import has_forms
from services.catalog.search.fallback import ENGINE_DOWN

USUAL, MOST = 8, 20
HEADINGS = ("author", "subject", "series")
KINDS = ("title", "variant", "isbn", *HEADINGS)
_SHORTEST = 2  # characters; too many words begin with one letter
_LEAST_DIGITS = 4  # of an ISBN
_MOST_CANDIDATES = 30  # hits, titles or facet values from which the best are chosen
_MOST_HEADINGS = 60  # of the tables, in order; the most frequent are chosen
_SHARES = 3  # kinds that usually share the list: titles, authors and subjects
_DIGITS = re.compile(r"[\d\s\-–—‐‑]*\d[xX]?\s*\Z")
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
# Fields with the other titles of a record; 880 has those in another script.
_OTHER_TITLES = frozenset(("130", "210", "222", "240", "242", "245", "246", "247", "730", "740"))
_PARTS_OF_TITLE = frozenset("abnp")
_Z = frozenset("z")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """
    text   to search for
    kind   one of KINDS; "variant" is another title of a record, also in another script
    id     the record of a title, a variant or an ISBN
    title  title of this record, if `text` is not it
    """

    text: str
    kind: str
    id: str = ""
    title: str = ""


def suggest(database: Database, index: Index, *, context: Context, prefix: str, limit: int = 0) -> list[Suggestion]:
    """Complete the typed text. The kinds alternate; in each kind, texts that begin with the typed text come first.

    Other titles, ISBNs and texts that only contain the words need a search, which runs for a kind with fewer texts than
    its share. While the search engine is down, they are left out.

    limit   1 to 20; 0 for 8
    raises  Invalid      QUERY_TOO_LONG, LIMIT_OUT_OF_BOUNDS
            Unavailable  DATABASE_UNAVAILABLE
    """
    size = validation.allowed_limit(limit, usual=USUAL, most=MOST)
    words = tokens(validation.check_length(prefix))[: validation.MOST_WORDS]
    if not words or (max(map(len, words)) < _SHORTEST and not _IDEOGRAPH.match(words[0])):
        return []
    context.check_deadline()
    if _DIGITS.match(prefix) and len(digits := squeeze(prefix)) >= _LEAST_DIGITS:
        suggestions = [_isbns(database, index, context, digits, size)]
    else:
        suggestions = []
    share = -(-size // _SHARES)
    suggestions.append(_titles(database, index, context, words, share))
    for kind in HEADINGS:
        # Few readers type the name of a series, so series that only contain the words fill a list that is not full.
        with_words = kind != "series" or sum(map(len, suggestions)) < size
        headings = _headings(database, index, kind, words, share if with_words else 0)
        suggestions.append([Suggestion(text, kind) for text in headings])
    return list(_interleave(suggestions))[:size]


def _isbns(database: Database, index: Index, context: Context, digits: str, size: int) -> list[Suggestion]:
    """List ISBNs of ten or thirteen digits that begin with these digits."""
    match = Or((Prefix("isbn", digits, 0.0), Prefix("isbn", f"978{digits[:9]}", 0.0)))
    numbers = _search_numbers(index, Request(match, sort="title", limit=size))
    suggestions: dict[str, Suggestion] = {}
    for record_id, title, tags in _records(database, context, numbers):
        for isbn in all_isbns(tags):
            if isbn.startswith((digits, f"978{digits[:9]}")):
                suggestions.setdefault(isbn, Suggestion(isbn, "isbn", record_id, title))
    return list(suggestions.values())[:size]


def _titles(database: Database, index: Index, context: Context, words: Sequence[str], share: int) -> list[Suggestion]:
    """List titles that begin with the words, in order.

    If they are fewer than `share`, the newest titles that contain the words follow, with the subtitle if it has some of
    them, and then other titles with the words.
    """
    titles = _best_first(
        (
            Suggestion(orjson.loads(brief)["title"], "title", record_id)
            for record_id, brief in queries.titles_with_prefix(database, " ".join(words), _MOST_CANDIDATES)
        ),
        words,
    )
    if len(titles) >= share:
        return titles
    request = Request(_match_beginning("title", words), sort="year", limit=_MOST_CANDIDATES)
    numbers = _search_numbers(index, request)
    briefs = queries.briefs(database, numbers)
    suggestions: list[Suggestion] = []
    others: list[int] = []
    for number in numbers:
        if number not in briefs:
            continue
        brief = orjson.loads(briefs[number].brief)
        whole_title = f"{brief['title']} : {brief['subtitle']}" if "subtitle" in brief else brief["title"]
        text = next((text for text in (brief["title"], whole_title) if _has_words(tokens(text), words)), "")
        if text:
            suggestions.append(Suggestion(text, "title", briefs[number].id))
        else:
            others.append(number)
    titles = _best_first((*titles, *suggestions), words)
    if len(titles) < share and others:
        titles += _variants(database, context, others[:share], words)
    return titles


def _variants(
    database: Database, context: Context, numbers: Sequence[int], words: Sequence[str]
) -> Iterator[Suggestion]:
    """Yield, for each record, its first other title that has the words."""
    for record_id, title, tags in _records(database, context, numbers):
        for tag, fields in tags.items():
            for field in fields:
                if (linked_tag(field) if tag == "880" else tag) not in _OTHER_TITLES:
                    continue
                text = tidy(" ".join(pick(field, _PARTS_OF_TITLE)))
                if _has_words(tokens(text), words):
                    yield Suggestion(text, "variant", record_id, title)
                    break
            else:
                continue
            break


def _records(database: Database, context: Context, numbers: Sequence[int]) -> Iterator[tuple[str, str, Tags]]:
    """Yield (id, title, fields) of records in the order of their numbers."""
    if not numbers:
        return
    with database.reading(context) as session:
        packed_records = queries.marc_and_work(session, numbers)
    briefs = queries.briefs(database, numbers)
    for number in numbers:
        if number in briefs and number in packed_records:
            record = Record.unpack(packed_records[number][0])
            yield briefs[number].id, orjson.loads(briefs[number].brief)["title"], by_tag(record.fields)


def _search_numbers(index: Index, request: Request) -> Sequence[int]:
    """Search; without hits while the engine is down."""
    try:
        return index.search(request).numbers
    except Unavailable as problem:
        if problem.reason not in ENGINE_DOWN:
            raise
        return ()


def _headings(database: Database, index: Index, kind: str, words: Sequence[str], share: int) -> list[str]:
    """List headings that begin with the words, the most frequent first.

    If they are fewer than `share`, headings that contain the words follow. At the end are the preferred forms of unused
    forms that begin with the words.
    """
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
            # The records have other headings too; _best_first leaves out those without the words.
            headings += [value for value, _count in index.search(request).facets[kind]]
    except Unavailable as problem:
        if problem.reason not in ENGINE_DOWN:
            raise
    best = [suggestion.text for suggestion in _best_first((Suggestion(text, kind) for text in headings), words)]
    return list(dict.fromkeys((*best, *preferred)))


def _match_beginning(field: str, words: Sequence[str]) -> Match:
    """Match records with all of these words in a field, the last as a beginning unless it is a single letter."""
    last = words[-1]
    if field == "series":  # no field of its own: roots with a sign
        sign = KIND_SIGNS[field]
        before = [Term("any", sign + root(word)) for word in dict.fromkeys(words[:-1])]
        return And((*before, Prefix("any", sign + last, 0.0)))
    words_before = tuple(Term(field, word) for word in dict.fromkeys(words[:-1]))
    if len(last) < _SHORTEST:
        return And((*words_before, Term(field, last))) if _IDEOGRAPH.match(last) else And(words_before)
    return And((*words_before, Prefix(field, last, 0.0)))


def _has_words(tokens_of_text: Sequence[str], words: Sequence[str]) -> bool:
    """Tell whether a text has the words, the last as a beginning."""
    return set(words[:-1]) <= set(tokens_of_text) and any(token.startswith(words[-1]) for token in tokens_of_text)


def _best_first(suggestions: Iterable[Suggestion], words: Sequence[str]) -> list[Suggestion]:
    """List the suggestions that have the words, each text once: first those that begin with the words."""
    beginning: dict[str, Suggestion] = {}
    containing: dict[str, Suggestion] = {}
    text_of_words = " ".join(words)
    for suggestion in suggestions:
        tokens_of_text = tokens(suggestion.text)
        if " ".join(tokens_of_text).startswith(text_of_words):
            beginning.setdefault(" ".join(tokens_of_text), suggestion)
        elif _has_words(tokens_of_text, words):
            containing.setdefault(" ".join(tokens_of_text), suggestion)
    return [*beginning.values(), *containing.values()]


def _interleave(kinds: Iterable[list[Suggestion]]) -> Iterator[Suggestion]:
    for suggestions in zip_longest(*kinds):
        yield from (suggestion for suggestion in suggestions if suggestion is not None)
