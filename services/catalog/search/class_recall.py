"""Expands a query: finds the classes that have its words, related words, and what it asks for besides its topic.

`chicken farming` has a word of 636.5. So the records of 636.5 are hits with a low weight, and so are records with the
Indonesian words of the same meaning. The words are in the class table; a library's own rows replace those of the
release.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import zip_longest
from typing import NamedTuple
from weakref import WeakKeyDictionary

from chassis.context import READER
from chassis.database.db import Database
from chassis.sentences import LocalText
from services.catalog import queries
from services.catalog.analysis import (
    is_light_word,
    is_weak_word,
    light_words,
    meanings_as_typed,
    meanings_of,
    phrases_with,
    reading_of,
    root,
    tokens,
    variants_of,
)
from services.catalog.record.class_table import ClassRow, class_table, label_under, parse_words
from services.catalog.search.preferences import NO_PREFERENCES, Preferences, preferences_of
from services.catalog.search.query.tree import Query, Word

MOST_CLASSES = 3  # matched by one query
MOST_TRANSLATIONS = 8
MOST_MEANINGS = 12
CACHE_SECONDS = 30.0
MOST_QUERIES = 1_024  # whose expansions are cached
_PARTS = re.compile(r"[,:;()/]|\bdan\b|\band\b|&")  # "Ular, buaya, dan kura-kura" is three phrases
_POSSESSIVE = re.compile(r"['’]s?\b")

Roots = frozenset[str]


class MatchedClass(NamedTuple):
    """A class that has words of a query. roots: roots of these words; whole: they are all the words of the query."""

    key: str
    roots: Roots
    whole: bool


class Translation(NamedTuple):
    """Words of a query and related words. roots: roots of the query's words; other: related words, as in the table."""

    roots: Roots
    other: str

    @property
    def other_roots(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(root, tokens(self.other))))


@dataclass(frozen=True, slots=True)
class QueryExpansion:
    """Classes, related words and the audience of a query, by the class table and the vocabulary.

    classes       the most specific first
    translations  related words in the table: the query's words count as known, even if no record has them
    meanings      related words in the vocabulary
    preferences   what the query asks for besides its topic
    """

    classes: Sequence[MatchedClass] = ()
    translations: Sequence[Translation] = ()
    meanings: Sequence[Translation] = ()
    preferences: Preferences = NO_PREFERENCES

    @property
    def roots(self) -> Roots:
        """Return the roots of the query's words that are in the table."""
        return frozenset[str]().union(
            *(matched.roots for matched in self.classes), *(t.roots for t in self.translations)
        )


_NOTHING = QueryExpansion()
_NO_KEYS: Set[str] = frozenset()


class _Phrase(NamedTuple):
    """One entry of a class's words.

    roots  a tuple, because the table has thousands of phrases and a set takes three times the memory
    words  all entries of the same meaning, with this one
    """

    roots: tuple[str, ...]
    key: str
    word: str
    words: tuple[str, ...]


class _RootsOfWords(dict[str, str]):
    """Root of a word, or "" for a light word. Most words are in several phrases."""

    def __missing__(self, word: str) -> str:
        self[word] = "" if is_light_word(word) else root(word)
        return self[word]


class ClassFinder:
    """Finds classes by their words."""

    def __init__(self, rows: Mapping[str, ClassRow]) -> None:
        """
        rows  key -> row; a library's own rows replace the release's
        """
        self.rows = rows
        self._phrases: dict[str, list[_Phrase]] = {}
        # Pages and readers repeat queries, as in `parse_query`.
        self.find: Callable[[Query], QueryExpansion] = lru_cache(maxsize=MOST_QUERIES)(self._find)
        self.find_whole: Callable[[Query], QueryExpansion] = lru_cache(maxsize=MOST_QUERIES)(self._find_whole)
        # Root -> classes of more than one digit with a phrase that has it.
        self._keys_of_roots: dict[str, set[str]] = {}
        roots_of_words = _RootsOfWords()
        for key, row in rows.items():
            phrases = [
                (word, words) for synonyms in row.words for words in [synonyms.id + synonyms.en] for word in words
            ]
            phrases += [(word, ()) for text in (row.caption.id, row.caption.en) for word in _PARTS.split(text)]
            for word, words in phrases:
                roots = dict.fromkeys(map(roots_of_words.__getitem__, words_of(word)))
                roots.pop("", None)
                if len(key) > 1:
                    for word_root in roots:
                        self._keys_of_roots.setdefault(word_root, set()).add(key)
                if roots:  # a query with a phrase has all its words, so the longest, which few phrases have, finds it
                    self._phrases.setdefault(max(roots, key=len), []).append(_Phrase(tuple(roots), key, word, words))

    def caption(self, key: str) -> LocalText | None:
        row = self.rows.get(key)
        return None if row is None else row.caption

    def label(self, key: str) -> LocalText | None:
        """Return the caption of a class; without one, the nearest caption above it with the number of the class."""
        return self.caption(key) or label_under(key, {above: row.caption for above, row in self.rows.items()})

    def _find_whole(self, query: Query) -> QueryExpansion:
        """Find every class that has all the words of a query, and its preferences: what every search needs.

        Most queries have no such class, and to see that takes a tenth of the time of `find`.
        """
        typed = QueryWords(query)
        if self._share_a_class(typed.strong):
            return self.find(query)
        preferences = preferences_of(typed.words, typed.light, typed.heavy)
        return _NOTHING if preferences == NO_PREFERENCES else QueryExpansion(preferences=preferences)

    def _share_a_class(self, words: Sequence[str]) -> bool:
        """Tell whether a class has phrases with each of these words, in any form."""
        keys_of_roots: dict[str, Set[str]] = {}
        for word in words:
            word_root = root(word)
            keys: Set[str] = self._keys_of_roots.get(word_root, _NO_KEYS)
            if variants := variants_of(word):
                keys = frozenset(keys).union(*(self._keys_of_roots.get(variant, _NO_KEYS) for variant in variants))
            earlier = keys_of_roots.get(word_root)
            keys_of_roots[word_root] = keys if earlier is None else keys | earlier
        first, *others = keys_of_roots.values() or (_NO_KEYS,)
        return bool(first and frozenset(first).intersection(*others))

    def _find(self, query: Query) -> QueryExpansion:
        """Expand a query. A phrase of the table or the vocabulary inside a longer one does not count."""
        typed = QueryWords(query)
        phrases = self._phrases_in(typed)
        related = _related_phrases(typed)
        in_query = {frozenset(phrase.roots) for phrase in phrases} | {forms for forms, _others in related}
        longest = [phrase for phrase in phrases if not any(set(phrase.roots) < forms for forms in in_query)]
        longest.sort(key=lambda phrase: (-len(phrase.roots), -len(phrase.key), phrase.key))
        translations = dict.fromkeys((*_related_words(typed, related), *_synonyms(typed, longest)))
        return QueryExpansion(
            _classes_of(typed, longest),
            list(translations)[:MOST_TRANSLATIONS],
            [meaning for meaning in _meanings(typed) if meaning not in translations][:MOST_MEANINGS],
            preferences_of(typed.words, typed.light, typed.heavy),
        )

    def _phrases_in(self, typed: QueryWords) -> Iterable[_Phrase]:
        """List the phrases of classes that the query has, each once."""
        return dict.fromkeys(
            phrase
            for form in sorted(typed.root_of)
            for phrase in self._phrases.get(form, ())
            if typed.have(phrase.roots)
        )


class QueryWords:
    """The words of a query without a field, folded. In `belajar bahasa inggris` some are light in this query only.

    words   all of them, in the query's order
    light   words that are light in this query
    strong  words that are neither light nor weak; without such words, those that are not light
    heavy   roots of the words that are not light
    """

    def __init__(self, query: Query) -> None:
        self.words = _plain_words(query)
        self.light = light_words(self.words)
        heavy = [word for word in self.words if word not in self.light]
        self.strong = [word for word in heavy if not is_weak_word(word)] or heavy
        self.heavy: Roots = frozenset(map(root, heavy))

    @cached_property
    def listed(self) -> list[str]:
        """Return the words that are light in no query."""
        return [word for word in self.words if not is_light_word(word)]

    @cached_property
    def root_of(self) -> dict[str, str]:
        """Return form of a listed word, as phrases have it -> root of the word."""
        words = sorted(set(self.listed))
        return {form: root(word) for word in words for form in variants_of(word)} | {
            root(word): root(word) for word in words
        }

    def have(self, forms: Iterable[str]) -> bool:
        """Tell whether the query has all forms of a phrase, at least one of them from a word that is not light."""
        return all(map(self.root_of.__contains__, forms)) and not self.heavy.isdisjoint(
            map(self.root_of.__getitem__, forms)
        )

    def roots_of(self, forms: Iterable[str]) -> Roots:
        """Return the roots of the query's words with these forms."""
        return frozenset(self.root_of[form] for form in forms)


def _classes_of(typed: QueryWords, phrases: Iterable[_Phrase]) -> list[MatchedClass]:
    """List the classes of these phrases, those with the most words first; a main class is too wide."""
    strong = frozenset(map(root, typed.strong))
    classes: dict[str, Roots] = {}
    for phrase in phrases:
        if len(phrase.key) > 1:
            roots = typed.roots_of(phrase.roots)
            classes[phrase.key] = classes.get(phrase.key, frozenset()) | (roots & strong or roots)
    ordered = sorted(classes.items(), key=lambda pair: (-len(pair[1]), -len(pair[0]), pair[0]))
    return [MatchedClass(key, roots, roots >= strong) for key, roots in ordered[:MOST_CLASSES]]


def _related_phrases(typed: QueryWords) -> list[tuple[Roots, Sequence[str]]]:
    """List the phrases of the vocabulary that the query has, each with its related words."""
    in_order = [root(word) for word in typed.listed]
    return [
        (frozenset(forms), others)
        for form in sorted(typed.root_of)
        for forms, others in phrases_with(form)
        if typed.have(forms) and _are_near(in_order, typed.roots_of(forms))
    ]


def _related_words(typed: QueryWords, related: Sequence[tuple[Roots, Sequence[str]]]) -> Iterator[Translation]:
    """Yield the related words of the longest phrases of the vocabulary."""
    for forms, others in related:
        if not any(forms < longer for longer, _others in related):
            yield from (Translation(typed.roots_of(forms), other) for other in others)


def _synonyms(typed: QueryWords, phrases: Iterable[_Phrase]) -> Iterator[Translation]:
    """Yield the other entries of the same meaning in the class table."""
    for phrase in phrases:
        for other in phrase.words:
            if other != phrase.word and not set(phrase.roots).issuperset(map(root, tokens(other))):
                yield Translation(typed.roots_of(phrase.roots), other)


def _meanings(typed: QueryWords) -> Iterable[Translation]:
    """List the related words of single words: the first of each word, then the second of each, and so on."""
    listed = sorted(set(typed.listed))
    words_and_meanings = [(root(word), meanings_as_typed(word)) for word in listed]
    words_and_meanings += [(typed_root, meanings_of(form)) for form, typed_root in typed.root_of.items()]
    of_words = [
        [Translation(frozenset((typed_root,)), other) for other in others if not _has_typed(typed, other)]
        for typed_root, others in words_and_meanings
        if typed_root in typed.heavy
    ]
    return dict.fromkeys(meaning for row in zip_longest(*of_words) for meaning in row if meaning)


def _has_typed(typed: QueryWords, other: str) -> bool:
    return typed.root_of.keys() >= set(map(root, other.split()))


def _are_near(roots: Sequence[str], of_phrase: Roots) -> bool:
    """Tell whether the words of a phrase are side by side in a query, in any order, with at most one word between."""
    positions = [position for position, word_root in enumerate(roots) if word_root in of_phrase]
    return any(of_phrase.issubset(roots[start : start + len(of_phrase) + 1]) for start in positions)


_finders: WeakKeyDictionary[Database, tuple[float, Mapping[str, queries.OwnClass], ClassFinder]] = WeakKeyDictionary()


def forget_classes() -> None:
    """Clear what is cached of classes; after a change of the vocabulary."""
    release_finder.cache_clear()
    _finders.clear()


def class_finder(database: Database) -> ClassFinder:
    """Return the finder of this catalogue's classes; the libraries' own rows are at most CACHE_SECONDS old.

    raises  Unavailable  DATABASE_UNAVAILABLE
    """
    now, entry = time.monotonic(), _finders.get(database)
    if entry is not None and entry[0] > now:
        return entry[2]
    with database.reading(READER) as session:
        own = queries.own_classes(session)
    if entry is not None and entry[1] == own:
        finder = entry[2]
    else:
        finder = ClassFinder(_merge(own)) if own else release_finder()
    _finders[database] = now + CACHE_SECONDS, own, finder
    return finder


@cache
def release_finder() -> ClassFinder:
    """Return the finder of the release's classes; its phrases are without the light words of the vocabulary in use."""
    return ClassFinder(class_table())


def _merge(own: Mapping[str, queries.OwnClass]) -> dict[str, ClassRow]:
    """Return the release's rows; a library's caption replaces the release's, and so do its words if it has some."""
    rows = dict(class_table())
    for key, row in own.items():
        words = tuple(synonyms for text in row.words if (synonyms := parse_words(text)) is not None)
        rows[key] = ClassRow(row.caption, words or (rows[key].words if key in rows else ()))
    return rows


def _plain_words(query: Query) -> list[str]:
    return [
        reading_of(word)
        for part in query.parts
        if isinstance(part, Word) and not part.field and not part.prefix
        for word in words_of(part.text)
    ]


def words_of(text: str) -> list[str]:
    """Return the tokens of a text; "women's" is women."""
    return tokens(_POSSESSIVE.sub("", text) if "'" in text or "’" in text else text)
