"""The vocabulary of readers: light and weak words, abbreviations, variants and related words.

The release has one (vocabulary.txt, which describes the syntax); a library may add its own. Only queries use the
vocabulary, so a change needs no new index.
"""

from __future__ import annotations

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
    variants  root -> roots of the words that stand for it
    meanings  root -> words of the same or a related meaning, searched only where few records have the typed words
    audiences root -> the audience that a query with this word asks for: child or teen (codes of record.codes)
    """

    light: frozenset[str]
    weak: frozenset[str]
    together: frozenset[tuple[str, str]]
    words: frozenset[str]
    readings: Mapping[str, str]
    variants: Mapping[str, tuple[str, ...]]
    meanings: Mapping[str, tuple[str, ...]]
    audiences: Mapping[str, str]


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
    if vocabulary.weak.isdisjoint(words):
        return light
    pairs = vocabulary.together.intersection(pairwise(words))
    bound = {word for pair in pairs for word in pair}
    weak = {word for word in words if word in vocabulary.weak and word not in bound}
    others = len(set(words) - light - weak)
    is_question = any(word in vocabulary.light or is_question_word(word) for word in light)
    return light | weak if others >= (1 if is_question else ENOUGH_BESIDE_WEAK) else light


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
    variants: dict[str, dict[str, None]] = field(default_factory=dict)
    meanings: dict[str, dict[str, None]] = field(default_factory=dict)
    audiences: dict[str, str] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Add one statement. Raises _InvalidStatement."""
        name, colon, listed = line.partition(":")
        sign = next((sign for sign in _RELATIONS if sign in line), "")
        if colon and name in _LISTS:
            words, add_words = listed.split(), _LISTS[name]
        elif sign:
            words, add_words = [text.strip() for text in line.split(sign)], _RELATIONS[sign]
        else:
            raise _InvalidStatement
        if not words or not all(len(word) > 1 and tokens(word) == [word] for word in words):
            raise _InvalidStatement
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

    def add_reading(self, words: Sequence[str]) -> None:
        if len(words) != 2 or words[0] == words[1]:
            raise _InvalidStatement
        self.readings[words[0]] = words[1]

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
            variants={of: tuple(others)[:MOST_TOGETHER] for of, others in self.variants.items() if others},
            meanings={of: tuple(others)[:MOST_TOGETHER] for of, others in self.meanings.items()},
            audiences=self.audiences,
        )


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
    "word": _Collected.add_real,
}
_RELATIONS: Mapping[str, Callable[[_Collected, Sequence[str]], None]] = {
    ">": _Collected.add_reading,
    "=": _Collected.add_equivalents,
    "~": _Collected.add_meanings,
}
