"""The vocabulary of readers: light words, shortened words, and words that stand for each other.

The release has one (vocabulary.txt, which describes the form); a library may add its own. It changes queries only, so
no index is rebuilt when it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from services.catalog.analysis.folding import is_stop_word, tokens
from services.catalog.analysis.stemming import root

MOST_TOGETHER = 8  # words of one statement that stand for each other: each costs every query with one of them
_FILE = Path(__file__).with_name("vocabulary.txt")
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
    words     real words, which a correction never replaces
    readings  shortened word -> the word that is meant
    variants  root -> roots of the words that stand for it
    """

    light: frozenset[str]
    words: frozenset[str]
    readings: Mapping[str, str]
    variants: Mapping[str, tuple[str, ...]]


def parse_vocabulary(*texts: str) -> Vocabulary:
    """Parse one vocabulary of several texts. Raises VocabularyFault for the first line that is no statement."""
    light: set[str] = set()
    real: set[str] = set()
    readings: dict[str, str] = {}
    groups: list[list[str]] = []
    for number, line in chain.from_iterable(map(_statements, texts)):
        if line.startswith("light:"):
            light.update(_words(line.removeprefix("light:").split(), number, line))
        elif line.startswith("word:"):
            real.update(_words(line.removeprefix("word:").split(), number, line))
        elif ">" in line:
            short, *meant = _words(line.split(">"), number, line)
            if len(meant) != 1 or meant[0] == short:
                raise VocabularyFault(number, line)
            readings[short] = meant[0]
        elif "=" in line:
            words = _words(line.split("="), number, line)
            if not 2 <= len(set(words)) == len(words) <= MOST_TOGETHER:
                raise VocabularyFault(number, line)
            groups.append(words)
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
    together = {of: tuple(others)[:MOST_TOGETHER] for of, others in variants.items() if others}
    return Vocabulary(frozenset(light), frozenset(real), readings, together)


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
