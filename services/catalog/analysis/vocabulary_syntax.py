"""Reads vocabulary files, whose syntax vocabulary.txt describes.

A statement is one line. Roots of its words are computed when the file is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain

from services.catalog.analysis.folding import is_stop_word, tokens
from services.catalog.analysis.stemming import root

MOST_TOGETHER = 8  # variants or related words in one statement; each one slows every query with one of the others
_FINDS = "->"  # in a statement: the left finds the right
_SMALL_LETTERS = re.compile(r"[a-z]+\Z")

Phrase = tuple[str, ...]


class VocabularyFault(ValueError):
    """A line that is not a statement. line: its number, from 1; text: the line."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}")
        self.line, self.text = line, text


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """
    light     words that change the order of hits a little and never exclude a hit
    weak      words for a kind of book or of people, which are light in a question
    common    words of every topic: one that no record has does not count as an unknown word
    together  pairs of words that form one term, so that the first is not weak: cerita rakyat
    words     real words: spelling correction does not replace them, but see services.catalog.search.spelling
    readings  shortened word -> the word that is meant
    phrases   first word of a phrase -> (the whole phrase, the words that are meant), the longest first
    phrase_pattern  matches a text that may have one of the phrases; None without any
    variants  root -> roots of the words that stand for it
    meanings  root -> words of the same or a related meaning, searched only where few records have the typed words
    meanings_as_typed  derived word -> words of a related meaning, which its root does not have (keberagaman: toleransi)
    meanings_of_phrases  longest root of a phrase -> (roots of the phrase, words of the same or a related meaning)
    audiences root -> the audience that a query with this word asks for: child or teen (codes of record.codes)
    kinds     word -> the kind of book that a query with this word asks for: fiction or facts
    languages name of a language after `bahasa` -> its code of ISO 639-2
    english_languages  English name of a language -> its code
    language_names     all these names
    """

    light: frozenset[str]
    weak: frozenset[str]
    common: frozenset[str]
    together: frozenset[tuple[str, str]]
    words: frozenset[str]
    readings: Mapping[str, str]
    phrases: Mapping[str, Sequence[tuple[Phrase, Phrase]]]
    phrase_pattern: re.Pattern[str] | None
    variants: Mapping[str, tuple[str, ...]]
    meanings: Mapping[str, tuple[str, ...]]
    meanings_as_typed: Mapping[str, tuple[str, ...]]
    meanings_of_phrases: Mapping[str, Sequence[tuple[Phrase, tuple[str, ...]]]]
    audiences: Mapping[str, str]
    kinds: Mapping[str, str]
    languages: Mapping[str, str]
    english_languages: Mapping[str, str]
    language_names: Set[str]


def parse_vocabulary(*texts: str) -> Vocabulary:
    """Parse several texts as one vocabulary. Raises VocabularyFault for the first line that is not a statement."""
    collected = _Collected()
    for number, line in chain.from_iterable(map(_statements, texts)):
        try:
            collected.add(line)
        except _InvalidStatement:
            raise VocabularyFault(number, line) from None
    return collected.vocabulary()


def _statements(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        statement = line.partition("#")[0].strip()
        if statement:
            yield number, statement


class _InvalidStatement(ValueError):
    """A line does not have the form of a statement."""


@dataclass(slots=True)
class _Collected:
    """The vocabulary of the statements that have been read."""

    light: set[str] = field(default_factory=set)
    weak: set[str] = field(default_factory=set)
    common: set[str] = field(default_factory=set)
    together: set[tuple[str, str]] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    readings: dict[str, str] = field(default_factory=dict)
    phrases: dict[str, dict[Phrase, Phrase]] = field(default_factory=dict)
    variants: dict[str, dict[str, None]] = field(default_factory=dict)
    meanings: dict[str, dict[str, None]] = field(default_factory=dict)
    meanings_as_typed: dict[str, dict[str, None]] = field(default_factory=dict)
    meanings_of_phrases: dict[Phrase, dict[str, None]] = field(default_factory=dict)
    audiences: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    english_languages: dict[str, str] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Add one statement. Raises _InvalidStatement."""
        if _FINDS in line:
            self.add_finds(*map(str.strip, line.split(_FINDS, 1)))
            return
        name, colon, listed = line.partition(":")
        sign = next((sign for sign in _RELATIONS if sign in line), "")
        if sign == ">" and " " in line.partition(sign)[0].strip():
            self.add_phrase(*(tuple(text.split()) for text in line.split(sign, 1)))
            return
        if colon and name in _LISTS:
            words, add_words = listed.split(), _LISTS[name]
        elif sign:
            words, add_words = [text.strip() for text in line.split(sign)], _RELATIONS[sign]
        else:
            raise _InvalidStatement
        _check_words(words)
        add_words(self, words)
        self.words.update(words)

    def add_light(self, words: Sequence[str]) -> None:
        self.light.update(words)

    def add_weak(self, words: Sequence[str]) -> None:
        self.weak.update(words)

    def add_common(self, words: Sequence[str]) -> None:
        self.common.update(words)

    def add_together(self, words: Sequence[str]) -> None:
        if len(words) != 2:
            raise _InvalidStatement
        self.together.add((words[0], words[1]))

    def add_real(self, _words: Sequence[str]) -> None:
        """Do nothing: `add` has already added the words, as it does for every statement."""

    def add_child(self, words: Sequence[str]) -> None:
        self.audiences.update((root(word), "child") for word in words)

    def add_teen(self, words: Sequence[str]) -> None:
        self.audiences.update((root(word), "teen") for word in words)

    def add_fiction(self, words: Sequence[str]) -> None:
        self.kinds.update(dict.fromkeys(words, "fiction"))

    def add_facts(self, words: Sequence[str]) -> None:
        self.kinds.update(dict.fromkeys(words, "facts"))

    def add_language(self, words: Sequence[str]) -> None:
        self.languages.update(dict.fromkeys(words[1:], _code(words)))

    def add_english_language(self, words: Sequence[str]) -> None:
        self.english_languages.update(dict.fromkeys(words[1:], _code(words)))

    def add_reading(self, words: Sequence[str]) -> None:
        if len(words) != 2 or words[0] == words[1]:
            raise _InvalidStatement
        self.readings[words[0]] = words[1]

    def add_phrase(self, typed: Phrase, meant: Phrase) -> None:
        _check_words(typed)
        _check_words(meant)
        self.phrases.setdefault(typed[0], {})[typed] = meant

    def add_equivalents(self, words: Sequence[str]) -> None:
        _check_word_count(words)
        roots = [root(word) for word in words]
        for word_root in roots:
            self.variants.setdefault(word_root, {}).update((other, None) for other in roots if other != word_root)

    def add_one_way(self, words: Sequence[str]) -> None:
        _check_word_count(words)
        first, *others = dict.fromkeys(map(root, words))
        self.variants.setdefault(first, {}).update(dict.fromkeys(others))

    def add_meanings(self, words: Sequence[str]) -> None:
        _check_word_count(words)
        for word in words:
            self.meanings.setdefault(root(word), {}).update((other, None) for other in words if other != word)

    def add_finds(self, listed: str, listed_others: str) -> None:
        phrases = [tuple(text.split()) for text in listed.split(",")]
        others = [tuple(text.split()) for text in listed_others.split(",")]
        for phrase in (*phrases, *others):
            _check_words(phrase)
            self.words.update(phrase)
        related = dict.fromkeys(map(" ".join, others))
        for phrase in phrases:
            if len(phrase) > 1:
                self.meanings_of_phrases.setdefault(phrase, {}).update(related)
            elif root(phrase[0]) == phrase[0]:
                self.meanings.setdefault(phrase[0], {}).update(related)
            else:
                self.meanings_as_typed.setdefault(phrase[0], {}).update(related)

    def vocabulary(self) -> Vocabulary:
        shortened = {short for short, meant in self.readings.items() if meant in self.light or is_stop_word(meant)}
        return Vocabulary(
            light=frozenset(self.light | shortened),
            weak=frozenset(self.weak),
            common=frozenset(self.common),
            together=frozenset(self.together),
            words=frozenset(self.words),
            readings=self.readings,
            phrases={
                first: sorted(phrases.items(), key=lambda pair: -len(pair[0]))
                for first, phrases in self.phrases.items()
            },
            phrase_pattern=_phrase_pattern([typed for phrases in self.phrases.values() for typed in phrases]),
            variants={of: tuple(others)[:MOST_TOGETHER] for of, others in self.variants.items() if others},
            meanings={of: tuple(others)[:MOST_TOGETHER] for of, others in self.meanings.items()},
            meanings_as_typed={of: tuple(others)[:MOST_TOGETHER] for of, others in self.meanings_as_typed.items()},
            meanings_of_phrases=self._by_longest_root(),
            audiences=self.audiences,
            kinds=self.kinds,
            languages=self.languages,
            english_languages=self.english_languages,
            language_names=frozenset((*self.languages, *self.english_languages)),
        )

    def _by_longest_root(self) -> dict[str, list[tuple[Phrase, tuple[str, ...]]]]:
        """Arrange the phrases by their longest root, which few phrases have. Light words do not count."""
        arranged: dict[str, list[tuple[Phrase, tuple[str, ...]]]] = {}
        for phrase, others in self.meanings_of_phrases.items():
            roots = tuple(
                dict.fromkeys(root(word) for word in phrase if not is_stop_word(word) and word not in self.light)
            )
            if roots:
                arranged.setdefault(max(roots, key=len), []).append((roots, tuple(others)[:MOST_TOGETHER]))
        return arranged


def _phrase_pattern(phrases: Sequence[Phrase]) -> re.Pattern[str] | None:
    """Match the first two words of a phrase, in any capitalisation."""
    beginnings = sorted({r"\s+".join(phrase[:2]) for phrase in phrases})
    return re.compile(rf"\b(?:{'|'.join(beginnings)})\b", re.IGNORECASE) if beginnings else None


def _code(words: Sequence[str]) -> str:
    """Return the code of a language before its names. Raises _InvalidStatement."""
    if len(words) < 2 or len(words[0]) != 3:
        raise _InvalidStatement
    return words[0]


def _check_words(words: Sequence[str]) -> None:
    """Refuse no words, and words that are not one folded token each. Raises _InvalidStatement."""
    for word in words:
        # Most words have only small letters and need no folding.
        if len(word) < 2 or not (_SMALL_LETTERS.match(word) or tokens(word) == [word]):
            raise _InvalidStatement
    if not words:
        raise _InvalidStatement


def _check_word_count(words: Sequence[str]) -> None:
    """Refuse fewer than two words, more than MOST_TOGETHER, or the same word twice. Raises _InvalidStatement."""
    if not 2 <= len(set(words)) == len(words) <= MOST_TOGETHER:
        raise _InvalidStatement


_LISTS: Mapping[str, Callable[[_Collected, Sequence[str]], None]] = {
    "light": _Collected.add_light,
    "weak": _Collected.add_weak,
    "common": _Collected.add_common,
    "together": _Collected.add_together,
    "child": _Collected.add_child,
    "teen": _Collected.add_teen,
    "fiction": _Collected.add_fiction,
    "facts": _Collected.add_facts,
    "bahasa": _Collected.add_language,
    "language": _Collected.add_english_language,
    "word": _Collected.add_real,
}
_RELATIONS: Mapping[str, Callable[[_Collected, Sequence[str]], None]] = {
    "=>": _Collected.add_one_way,
    ">": _Collected.add_reading,
    "=": _Collected.add_equivalents,
    "~": _Collected.add_meanings,
}
