"""Recall by subject and across languages: classes that have words of a query, and related words.

`chicken farming` has a word of 636.5. So the records of 636.5 are hits with a low weight, and so are records with the
Indonesian words of the same meaning. The words are in the class table; a library's own rows replace those of the
release.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, lru_cache
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
from services.catalog.index.matches import And, Between, Boosted, DisMax, Keyword, Match, Prefix, Term
from services.catalog.record.class_table import (
    ClassRow,
    ancestors,
    class_table,
    label_under,
    parse_words,
)
from services.catalog.search.preferences import NO_PREFERENCES, Preferences, preferences_of
from services.catalog.search.query.tree import Query, Word
from services.catalog.search.ranking import weights

MOST_CLASSES = 3  # matched by one query
MOST_BONUSES = 2
MOST_TRANSLATIONS = 8
MOST_MEANINGS = 12
CACHE_SECONDS = 30.0
MOST_QUERIES = 1_024  # whose ideas are cached
_PARTS = re.compile(r"[,:;()/]|\bdan\b|\band\b|&")  # "Ular, buaya, dan kura-kura" is three phrases
_POSSESSIVE = re.compile(r"['’]s?\b")
_LONGEST_DECIMALS = 3  # of class_number, which has thousandths

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
class Ideas:
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


_NO_IDEAS = Ideas()
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
        self.find: Callable[[Query], Ideas] = lru_cache(maxsize=MOST_QUERIES)(self._find)
        self.find_whole: Callable[[Query], Ideas] = lru_cache(maxsize=MOST_QUERIES)(self._find_whole)
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

    def _find_whole(self, query: Query) -> Ideas:
        """Find ideas with every class that has all the words of a query, and its preferences: what every search needs.

        Most queries have no such class, and to see that takes a fourth of the time of `find`.
        """
        words = _plain_words(query)
        light = light_words(words)
        heavy = [word for word in words if word not in light]
        if self._share_a_class([word for word in heavy if not is_weak_word(word)] or heavy):
            return self.find(query)
        preferences = preferences_of(words, light, frozenset(map(root, heavy)))
        return _NO_IDEAS if preferences == NO_PREFERENCES else Ideas(preferences=preferences)

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

    def _find(self, query: Query) -> Ideas:
        """Find the classes, related words and audience of a query. A phrase inside a longer one does not count.

        In a phrase such as `belajar bahasa inggris` some words may be light in this query, but not all.
        """
        words = _plain_words(query)
        light = light_words(words)
        roots = frozenset([root(word) for word in words if word not in light])
        strong = frozenset([root(word) for word in words if word not in light and not is_weak_word(word)]) or roots
        listed = sorted({word for word in words if not is_light_word(word)})
        listed_in_order = [root(word) for word in words if not is_light_word(word)]
        typed = {variant: root(word) for word in listed for variant in variants_of(word)}
        typed |= {root(word): root(word) for word in listed}  # form of a typed word -> its root
        matched_phrases = {
            phrase: frozenset(phrase.roots)
            for word_root in sorted(typed)
            for phrase in self._phrases.get(word_root, ())
            if all(map(typed.__contains__, phrase.roots)) and not roots.isdisjoint(map(typed.__getitem__, phrase.roots))
        }
        related = [
            (frozenset(phrase), others)
            for form in sorted(typed)
            for phrase, others in phrases_with(form)
            if all(map(typed.__contains__, phrase))
            and not roots.isdisjoint(map(typed.__getitem__, phrase))
            and _are_near(listed_in_order, {typed[form] for form in phrase})
        ]
        matched_roots = {*matched_phrases.values(), *(phrase for phrase, _others in related)}
        longest = [
            phrase
            for phrase, roots_of_phrase in matched_phrases.items()
            if not any(roots_of_phrase < others for others in matched_roots)
        ]
        longest.sort(key=lambda phrase: (-len(phrase.roots), -len(phrase.key), phrase.key))
        classes: dict[str, Roots] = {}
        for phrase in longest:
            if len(phrase.key) == 1:  # a main class is too wide
                continue
            met_roots = frozenset(typed[form] for form in phrase.roots)
            classes[phrase.key] = classes.get(phrase.key, frozenset()) | (met_roots & strong or met_roots)
        ordered = sorted(classes.items(), key=lambda pair: (-len(pair[1]), -len(pair[0]), pair[0]))
        matched = [MatchedClass(key, met_roots, met_roots >= strong) for key, met_roots in ordered[:MOST_CLASSES]]
        preferences = preferences_of(words, light, roots)
        translations = {
            Translation(frozenset(typed[form] for form in phrase), other): None
            for phrase, others in related
            if not any(phrase < longer for longer, _others in related)
            for other in others
        }
        translations |= {
            Translation(frozenset(typed[form] for form in phrase.roots), other): None
            for phrase in longest
            for other in phrase.words
            if other != phrase.word and not set(phrase.roots).issuperset(map(root, tokens(other)))
        }
        words_and_meanings = [(root(word), meanings_as_typed(word)) for word in listed]
        words_and_meanings += [(typed_root, meanings_of(form)) for form, typed_root in typed.items()]
        meanings_of_words = (
            [
                Translation(frozenset((typed_root,)), other)
                for other in others
                if typed_root in roots and not typed.keys() >= set(map(root, other.split()))
            ]
            for typed_root, others in words_and_meanings
        )
        # The first of each word, then the second of each word, so that MOST_MEANINGS leaves some for every word.
        meanings = dict.fromkeys(meaning for row in zip_longest(*meanings_of_words) for meaning in row if meaning)
        return Ideas(
            matched,
            list(translations)[:MOST_TRANSLATIONS],
            [meaning for meaning in meanings if meaning not in translations][:MOST_MEANINGS],
            preferences,
        )


def _are_near(roots: Sequence[str], of_phrase: set[str]) -> bool:
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


def roots_of(query: Query) -> Iterator[str]:
    """Yield the roots of the words that decide: words without a field that are not light."""
    words = _plain_words(query)
    light = light_words(words)
    for word in words:
        if word not in light:
            yield root(word)


def light_words_of(query: Query) -> Set[str]:
    """Return the light words of a query, folded."""
    return light_words(_plain_words(query))


def _plain_words(query: Query) -> list[str]:
    return [
        reading_of(word)
        for part in query.parts
        if isinstance(part, Word) and not part.field and not part.prefix
        for word in words_of(part.text)
    ]


def class_match(key: str, boost: float = 0.0) -> Match:
    """Match the records of a class and of all under it."""
    whole, dot, decimals = key.partition(".")
    if key[:2] == "2X" or not dot:
        return Keyword("facet_class", (key,), boost)
    digits = whole + decimals[:_LONGEST_DECIMALS]
    between = Between("class_number", int(digits.ljust(6, "0")), int(digits.ljust(6, "9")), boost)
    section = Keyword("facet_class", (whole,), 0.0)  # so that the range is tested for few records
    if len(decimals) <= _LONGEST_DECIMALS:
        return And((section, between))
    return And((section, between, Prefix("identifier", whole + decimals, 0.0)))  # the class as the record has it


def with_classes(match: Match, ideas: Ideas) -> Match:
    """Add small bonuses: for records of a class that has all the words, and for those that the query prefers."""
    bonus = [
        class_match(matched.key, weights.IN_CLASS * len(matched.roots))
        for matched in ideas.classes[:MOST_BONUSES]
        if matched.whole
    ]
    bonus += ideas.preferences.matches
    return Boosted(match, tuple(bonus)) if bonus else match


@lru_cache(MOST_QUERIES)
def recall_choices(matched: MatchedClass) -> Sequence[tuple[str, Match]]:
    """Return (class, match): for the class and all under it, then for records with just the number of a broader class.

    The weight is for one word of the query; several words of one class add up.
    """
    factor = weights.WHOLE_QUERY if matched.whole else 1.0
    choices = [(matched.key, class_match(matched.key, weights.OF_CLASS * factor))]
    if matched.key[:2] != "2X":
        for broader in ancestors(matched.key)[:2]:
            if len(broader) > 1:
                number = int(broader.replace(".", "").ljust(6, "0"))
                choices.append((broader, Between("class_number", number, number, weights.OF_BROADER_CLASS * factor)))
    return choices


@lru_cache(MOST_QUERIES)
def recall_match(matched: MatchedClass) -> Match:
    """Match the records of a class and, with a lower weight, those that have just the number of a broader class."""
    choices = tuple(match for _key, match in recall_choices(matched))
    return choices[0] if len(choices) == 1 else DisMax(choices, 0.0)


@lru_cache(MOST_QUERIES)
def translation_match(translation: Translation) -> Match:
    terms = tuple(Term("any", word, weights.TRANSLATED) for word in translation.other_roots)
    return terms[0] if len(terms) == 1 else And(terms)


def words_of(text: str) -> list[str]:
    """Return the tokens of a text; "women's" is women."""
    return tokens(_POSSESSIVE.sub("", text) if "'" in text or "’" in text else text)
