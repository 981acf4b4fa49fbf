"""Reduces words to roots, so that a search matches any spelling, affix and number.

One rule is used for all languages, so that a query word needs one look-up and not one for each language: spelling
variants become one (spelling.py), Indonesian affixes are removed (Snowball, with corrections), and an English plural,
gerund or past tense loses its ending. Snowball's Indonesian stemmer changes only 2 % of English words; exceptions.py
lists the words that would otherwise match another meaning.
"""

from __future__ import annotations

import re
import threading

from Stemmer import Stemmer

from services.catalog.analysis.exceptions import CLITICS, ENGLISH, IRREGULAR, NOT_ENGLISH, WHOLE
from services.catalog.analysis.spelling import modern

_MOST_CACHED = 60_000  # cached words, 10 MB
_ROMAN_DIGITS = "ivxlcdm"
_ROMAN = re.compile(rf"[{_ROMAN_DIGITS}]+\Z")
_DIGIT = re.compile("[0-9]")
_indonesian = Stemmer("indonesian", 0)
_english = Stemmer("english", 0)
_lock = threading.Lock()  # a Stemmer is not thread-safe


class _Roots(dict[str, str]):
    """A cache of roots by word. It is cleared when full, which is cheaper than tracking the age of entries."""

    def __missing__(self, word: str) -> str:
        with _lock:
            if len(self) >= _MOST_CACHED:
                self.clear()
            root = _root(word)
            self[word] = root
        return root


def _root(word: str) -> str:
    word = modern(ENGLISH.get(word, word))
    if len(word) < 4 or not word.isascii():
        return word
    known_root = _known(word)
    if known_root is not None:
        return known_root
    if word.endswith(CLITICS):
        for clitic in CLITICS:
            if word.endswith(clitic) and (known_root := _known(word[: -len(clitic)])) is not None:
                return known_root
    if (word[0] in _ROMAN_DIGITS and _ROMAN.match(word)) or not (word.isalpha() or _DIGIT.search(word) is None):
        return word
    stem = str(_indonesian.stemWord(word))
    if stem == word:
        return _singular(word)
    for whole in (stem + "i", stem + "an"):
        # The stemmer removed a part of the root with the suffix: ekonom(i)nya.
        if whole in WHOLE and whole in word:
            return whole
    return IRREGULAR.get(stem, stem) if len(stem) >= 3 else word


def _known(word: str) -> str | None:
    if word in WHOLE:
        return word
    return IRREGULAR.get(word)


def _singular(word: str) -> str:
    """Remove -s, -ing or -ed of an English word; keep endings of Indonesian and Latin words (-as, -is, -os, -us)."""
    if word in NOT_ENGLISH:
        return word
    if word[-1] == "s":
        if word[-2] in "aiosu":
            return word
        if word.endswith("ies") and len(word) >= 6:
            return word[:-3] + "y"
        if word.endswith(("ches", "shes", "sses", "xes", "zes")):
            return word[:-2]
        return word[:-1]
    if len(word) >= 7 and word.endswith(("ing", "ed")):
        stem = str(_english.stemWord(word))
        return stem if len(stem) >= 4 else word
    return word


_roots = _Roots()


def root(word: str) -> str:
    """Return the root of a folded word."""
    return _roots[word]


roots = _roots.__getitem__
