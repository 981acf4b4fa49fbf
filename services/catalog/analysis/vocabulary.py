"""The vocabulary of readers: light and weak words, abbreviations, variants and related words.

The release has one (vocabulary.txt, which describes the syntax); a library may add its own. Only queries use the
vocabulary, so a change needs no new index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

from services.catalog.analysis.folding import is_question_word, is_stop_word, tokens
from services.catalog.analysis.stemming import root

MOST_TOGETHER = 8  # variants or related words in one statement; each one slows every query with one of the others
_FILE = Path(__file__).with_name("vocabulary.txt")
ENOUGH_BESIDE_WEAK = 2  # a weak word is light beside this many other words
_NONE: tuple[str, ...] = ()
_SMALL_LETTERS = re.compile(r"[a-z]+\Z")
# Words around the name of a language when the reader asks for books in it.
_IN_LANGUAGE = frozenset(("berbahasa", "babahaso"))
_VERSIONS = frozenset(("versi", "edisi", "terjemahan"))
_ENGLISH_VERSIONS = frozenset(("book", "books", "version", "edition", "translation", "translations", "language"))
_ABOUT = frozenset(("tentang", "mengenai", "seputar", "soal", "untuk"))


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
    together  pairs of words that form one term, so that the first is not weak: cerita rakyat
    words     real words, which spelling correction never replaces
    readings  shortened word -> the word that is meant
    phrases   first word of a phrase -> (the whole phrase, the words that are meant), the longest first
    phrase_pattern  matches a text that may have one of the phrases; None without any
    variants  root -> roots of the words that stand for it
    meanings  root -> words of the same or a related meaning, searched only where few records have the typed words
    audiences root -> the audience that a query with this word asks for: child or teen (codes of record.codes)
    kinds     word -> the kind of book that a query with this word asks for: fiction or facts
    languages name of a language after `bahasa` -> its code of ISO 639-2
    english_languages  English name of a language -> its code
    language_names     all these names
    """

    light: frozenset[str]
    weak: frozenset[str]
    together: frozenset[tuple[str, str]]
    words: frozenset[str]
    readings: Mapping[str, str]
    phrases: Mapping[str, Sequence[tuple[Phrase, Phrase]]]
    phrase_pattern: re.Pattern[str] | None
    variants: Mapping[str, tuple[str, ...]]
    meanings: Mapping[str, tuple[str, ...]]
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


def use_vocabulary(own: str = "") -> Vocabulary:
    """Use the release's vocabulary and a library's own in this process from now on.

    own     text of the library's vocabulary file
    raises  VocabularyFault  a line of `own` is not a statement
    """
    vocabulary = parse_vocabulary(_FILE.read_text(encoding="utf-8"), own) if own else _release_vocabulary()
    global _current
    _current = vocabulary
    return vocabulary


def is_light_word(token: str) -> bool:
    """Return True for stop words and for words of questions and politeness; the other words of a query decide."""
    return is_stop_word(token) or token in (_current or use_vocabulary()).light


def light_words(words: Sequence[str]) -> Set[str]:
    """Return those words of one query that are light.

    A weak word is light in a question, and beside ENOUGH_BESIDE_WEAK words that are not weak: `novel tentang laut` asks
    for laut, but `novel laut` may be a title.
    """
    vocabulary = _current or use_vocabulary()
    light = {word for word in words if is_stop_word(word) or word in vocabulary.light}
    if not vocabulary.language_names.isdisjoint(words):
        light |= language_asked_for(words)[1]
    if vocabulary.weak.isdisjoint(words):
        return light
    pairs = vocabulary.together.intersection(pairwise(words))
    bound = {word for pair in pairs for word in pair}
    weak = {word for word in words if word in vocabulary.weak and word not in bound}
    others = len(set(words) - light - weak)
    is_question = any(word in vocabulary.light or is_question_word(word) for word in light)
    return light | weak if others >= (1 if is_question else ENOUGH_BESIDE_WEAK) else light


def language_asked_for(words: Sequence[str]) -> tuple[str, Set[str]]:
    """Return the code of the language that one query asks for, and the words that say so; ("", nothing) for most.

    `novel berbahasa Inggris`, `buku bahasa Belanda tentang kopi`, `books in English about coffee`: the language is not
    the topic. In `belajar bahasa Inggris` and `kamus bahasa Belanda` it is. It is the topic, too, when the query has no
    other words.
    """
    vocabulary = _current or use_vocabulary()
    if vocabulary.language_names.isdisjoint(words):
        return "", frozenset()
    for position in range(len(words)):
        code, request = _language_at(vocabulary, words, position)
        if code and any(
            word not in request and not is_stop_word(word) and word not in vocabulary.light for word in words
        ):
            return code, request
    return "", frozenset()


def _language_at(vocabulary: Vocabulary, words: Sequence[str], position: int) -> tuple[str, Set[str]]:
    """Return the code of the language that the word at a position asks for, and the words of this request."""
    name = words[position]
    before = words[max(position - 2, 0) : position]
    last = before[-1] if before else ""
    after = words[position + 1] if position + 1 < len(words) else ""
    if code := vocabulary.languages.get(name):
        if last in _IN_LANGUAGE or last in _VERSIONS:
            return code, {last, name}
        if last == "bahasa" and len(before) == 2:
            first = before[0]
            if first in _VERSIONS or first == "dalam" or vocabulary.kinds.get(first) == "fiction":
                return code, {last, name, *(before if first in _VERSIONS else ())}
            if first == "buku" and after in _ABOUT:
                return code, {last, name}
        if last == "buku":
            return code, {name}
    if code := vocabulary.english_languages.get(name):
        if last == "in":
            return code, {name}
        if after in _ENGLISH_VERSIONS:
            return code, {name, after}
    return "", frozenset()


def kind_asked_for(words: Set[str]) -> str:
    """Return the kind of book that words ask for, or "". Fiction decides: `kenapa novel ini` asks for a novel."""
    kinds = (_current or use_vocabulary()).kinds
    if kinds.keys().isdisjoint(words):
        return ""
    kinds_of_words = {kinds.get(word, "") for word in words}
    return next(kind for kind in ("fiction", "facts") if kind in kinds_of_words)


def is_weak_word(token: str) -> bool:
    """Return True for a word that names a kind of book, or that many titles contain."""
    return token in (_current or use_vocabulary()).weak


def meanings_of(word_root: str) -> tuple[str, ...]:
    """Return the words of the same or a related meaning as the words of a root."""
    return (_current or use_vocabulary()).meanings.get(word_root, _NONE)


def audience_of(word_root: str) -> str:
    """Return the audience that the words of a root ask for: child or teen; "" for most words."""
    return (_current or use_vocabulary()).audiences.get(word_root, "")


def is_own_word(token: str) -> bool:
    """Return True for a word of the vocabulary."""
    return token in (_current or use_vocabulary()).words


def reading_of(token: str) -> str:
    """Return the word that an abbreviation stands for; most words are unchanged."""
    return (_current or use_vocabulary()).readings.get(token, token)


def may_have_phrase(text: str) -> bool:
    """Return False for a text that has no phrase of the vocabulary; most have none."""
    pattern = (_current or use_vocabulary()).phrase_pattern
    return pattern is not None and pattern.search(text) is not None


def phrase_at(words: Sequence[str], position: int) -> tuple[Phrase, Phrase] | None:
    """Return the phrase of the vocabulary that begins at a position, and the words that are meant."""
    for typed, meant in (_current or use_vocabulary()).phrases.get(words[position], ()):
        if tuple(words[position : position + len(typed)]) == typed:
            return typed, meant
    return None


def variants_of(word_root: str) -> tuple[str, ...]:
    """Return the roots of the vocabulary's variants of a root."""
    return (_current or use_vocabulary()).variants.get(word_root, _NONE)


@cache
def _release_vocabulary() -> Vocabulary:
    return parse_vocabulary(_FILE.read_text(encoding="utf-8"))


_current: Vocabulary | None = None


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
    together: set[tuple[str, str]] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    readings: dict[str, str] = field(default_factory=dict)
    phrases: dict[str, dict[Phrase, Phrase]] = field(default_factory=dict)
    variants: dict[str, dict[str, None]] = field(default_factory=dict)
    meanings: dict[str, dict[str, None]] = field(default_factory=dict)
    audiences: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    english_languages: dict[str, str] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Add one statement. Raises _InvalidStatement."""
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

    def add_meanings(self, words: Sequence[str]) -> None:
        _check_word_count(words)
        for word in words:
            self.meanings.setdefault(root(word), {}).update((other, None) for other in words if other != word)

    def vocabulary(self) -> Vocabulary:
        shortened = {short for short, meant in self.readings.items() if meant in self.light or is_stop_word(meant)}
        return Vocabulary(
            light=frozenset(self.light | shortened),
            weak=frozenset(self.weak),
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
            audiences=self.audiences,
            kinds=self.kinds,
            languages=self.languages,
            english_languages=self.english_languages,
            language_names=frozenset((*self.languages, *self.english_languages)),
        )


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
    ">": _Collected.add_reading,
    "=": _Collected.add_equivalents,
    "~": _Collected.add_meanings,
}
