"""The vocabulary of readers: light and weak words, shortened words, words that stand for each other or mean the same.

The release has one (vocabulary.txt, which describes the form); a library may add its own. It changes queries only, so
no index is rebuilt when it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

from services.catalog.analysis.folding import is_question_word, is_stop_word, tokens
from services.catalog.analysis.stemming import root

MOST_TOGETHER = 8  # words of one statement that stand for each other: each costs every query with one of them
_FILE = Path(__file__).with_name("vocabulary.txt")
ENOUGH_BESIDE_WEAK = 2  # words beside which a weak word is light
AUDIENCES = ("child", "teen")  # codes of record.codes
_NONE: tuple[str, ...] = ()


class VocabularyFault(ValueError):
    """A line that is no statement. line: from 1; text: the line."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}")
        self.line, self.text = line, text


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """
    light     words that order hits a little and never make a search empty
    weak      words for a kind of book or of people, which are light in a question
    together  pairs of words that are one, so that the first is not weak: cerita rakyat
    words     real words, which a correction never replaces
    readings  shortened word -> the word that is meant
    variants  root -> roots of the words that stand for it
    meanings  root -> words that mean the same, which are searched only where few records have the typed words
    audiences root -> for whom a book is that is asked for with this word: child, teen
    """

    light: frozenset[str]
    weak: frozenset[str]
    together: frozenset[tuple[str, str]]
    words: frozenset[str]
    readings: Mapping[str, str]
    variants: Mapping[str, tuple[str, ...]]
    meanings: Mapping[str, tuple[str, ...]]
    audiences: Mapping[str, str]


def parse_vocabulary(*texts: str) -> Vocabulary:  # noqa: C901 - one branch for each kind of statement
    """Parse one vocabulary of several texts. Raises VocabularyFault for the first line that is no statement."""
    light: set[str] = set()
    weak: set[str] = set()
    together: set[tuple[str, str]] = set()
    real: set[str] = set()
    audiences: dict[str, str] = {}
    meanings: dict[str, dict[str, None]] = {}
    readings: dict[str, str] = {}
    groups: list[list[str]] = []
    for number, line in chain.from_iterable(map(_statements, texts)):
        if line.startswith("light:"):
            light.update(_words(line.removeprefix("light:").split(), number, line))
        elif line.startswith("weak:"):
            weak.update(_words(line.removeprefix("weak:").split(), number, line))
        elif line.startswith("together:"):
            pair = _words(line.removeprefix("together:").split(), number, line)
            if len(pair) != 2:
                raise VocabularyFault(number, line)
            together.add((pair[0], pair[1]))
        elif line.partition(":")[0] in AUDIENCES:
            audience, _, listed = line.partition(":")
            audiences.update((root(word), audience) for word in _words(listed.split(), number, line))
        elif line.startswith("word:"):
            real.update(_words(line.removeprefix("word:").split(), number, line))
        elif ">" in line:
            short, *meant = _words(line.split(">"), number, line)
            if len(meant) != 1 or meant[0] == short:
                raise VocabularyFault(number, line)
            readings[short] = meant[0]
        elif "=" in line or "~" in line:
            words = _words(line.split("=" if "=" in line else "~"), number, line)
            if not 2 <= len(set(words)) == len(words) <= MOST_TOGETHER:
                raise VocabularyFault(number, line)
            if "=" in line:
                groups.append(words)
            else:
                real.update(words)
                for word in words:
                    meanings.setdefault(root(word), {}).update((other, None) for other in words if other != word)
        else:
            raise VocabularyFault(number, line)
    light.update(short for short, meant in readings.items() if meant in light or is_stop_word(meant))
    real.update(readings, readings.values())
    variants: dict[str, dict[str, None]] = {}
    for words in groups:
        real.update(words)
        roots = [root(word) for word in words]
        for word_root in roots:
            variants.setdefault(word_root, {}).update((other, None) for other in roots if other != word_root)
    stand_for = {of: tuple(others)[:MOST_TOGETHER] for of, others in variants.items() if others}
    return Vocabulary(
        frozenset(light),
        frozenset(weak),
        frozenset(together),
        frozenset(real),
        readings,
        stand_for,
        {of: tuple(others)[:MOST_TOGETHER] for of, others in meanings.items()},
        audiences,
    )


def use_vocabulary(own: str = "") -> Vocabulary:
    """Use the release's vocabulary and a library's own, the text of its file, from now on in this process.

    raises  VocabularyFault  a line of `own` is no statement
    """
    vocabulary = parse_vocabulary(_FILE.read_text(encoding="utf-8"), own) if own else _shipped()
    global _current
    _current = vocabulary
    return vocabulary


def is_light_word(token: str) -> bool:
    """Return True for stop words, words of questions and of politeness: the other words of a query decide."""
    return is_stop_word(token) or token in (_current or use_vocabulary()).light


def light_words(words: Sequence[str]) -> Set[str]:
    """Return the light ones of the words of one query.

    Weak words are light in a question, and beside two words or more that are not: `novel tentang laut` asks for laut,
    while `novel laut` may be a title.
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
    """Return True for a word that says what kind of book is asked for, or that many titles have."""
    return token in (_current or use_vocabulary()).weak


def meanings_of(word_root: str) -> tuple[str, ...]:
    """Return the words that mean the same as the words of a root."""
    return (_current or use_vocabulary()).meanings.get(word_root, _NONE)


def audience_of(word_root: str) -> str:
    """Return for whom a book is that is asked for with the words of a root: child, teen; "" for most words."""
    return (_current or use_vocabulary()).audiences.get(word_root, "")


def is_own_word(token: str) -> bool:
    """Return True for a word of the vocabulary."""
    return token in (_current or use_vocabulary()).words


def reading_of(token: str) -> str:
    """Return the word that a shortened word stands for; most words are unchanged."""
    return (_current or use_vocabulary()).readings.get(token, token)


def variants_of(word_root: str) -> tuple[str, ...]:
    """Return the roots of the words that stand for the words of a root."""
    return (_current or use_vocabulary()).variants.get(word_root, _NONE)


@cache
def _shipped() -> Vocabulary:
    return parse_vocabulary(_FILE.read_text(encoding="utf-8"))


_current: Vocabulary | None = None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        statement = line.partition("#")[0].strip()
        if statement:
            yield number, statement


def _words(texts: list[str], number: int, line: str) -> list[str]:
    words = [text.strip() for text in texts]
    if not words or not all(len(word) > 1 and tokens(word) == [word] for word in words):
        raise VocabularyFault(number, line)
    return words
