"""The vocabulary of readers: light and weak words, abbreviations, variants and related words.

The release has one (vocabulary.txt, which describes the syntax); a library may add its own. Only queries use the
vocabulary, so a change needs no new index.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import cache
from itertools import pairwise
from pathlib import Path

from services.catalog.analysis.folding import is_question_word, is_stop_word
from services.catalog.analysis.vocabulary_syntax import Phrase, Vocabulary, parse_vocabulary

_FILE = Path(__file__).with_name("vocabulary.txt")
ENOUGH_BESIDE_WEAK = 2  # a weak word is light beside this many other words
_NONE: tuple[str, ...] = ()
# Words around the name of a language when the reader asks for books in it.
_IN_LANGUAGE = frozenset(("berbahasa", "babahaso"))
_VERSIONS = frozenset(("versi", "edisi", "terjemahan"))
_ENGLISH_VERSIONS = frozenset(("book", "books", "version", "edition", "translation", "translations", "language"))
_BEFORE_YEAR = frozenset(("tahun", "terbit", "terbitan", "year"))  # light words there: `novel tahun 2016`
_ABOUT = frozenset(("tentang", "mengenai", "seputar", "soal", "untuk"))


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
    if not _BEFORE_YEAR.isdisjoint(words):
        light |= {word for word, year in pairwise(words) if word in _BEFORE_YEAR and len(year) == 4 and year.isdigit()}
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


def is_common_word(token: str) -> bool:
    """Return True for a word that says nothing about a topic, such as `dipegang` or `anjlok`."""
    return token in (_current or use_vocabulary()).common


def meanings_of(word_root: str) -> tuple[str, ...]:
    """Return the words, or phrases, of the same or a related meaning as the words of a root."""
    return (_current or use_vocabulary()).meanings.get(word_root, _NONE)


def meanings_as_typed(word: str) -> tuple[str, ...]:
    """Return the words, or phrases, of a related meaning that only this derivation of its root has."""
    return (_current or use_vocabulary()).meanings_as_typed.get(word, _NONE)


def phrases_with(word_root: str) -> Sequence[tuple[Phrase, tuple[str, ...]]]:
    """Return (roots, words of the same or a related meaning) of the phrases whose longest root this is."""
    return (_current or use_vocabulary()).meanings_of_phrases.get(word_root, ())


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
