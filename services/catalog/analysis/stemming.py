"""Roots: what a word is found under, whatever its spelling, affixes and number; the same in every text and query.

A root is made by one rule for all languages, so that a word of a query is one look-up and not one for each language:
old spelling and variants become one (spelling.py), Indonesian affixes fall (Snowball, with what it gets wrong put
right), and an English plural, gerund or past tense loses its ending. Snowball's Indonesian leaves all but 2 % of
English words alone, and where two meanings met, exceptions.py keeps them apart.
"""

from __future__ import annotations

import re
import threading

from Stemmer import Stemmer

from services.catalog.analysis.exceptions import CLITICS, ENGLISH, IRREGULAR, NOT_ENGLISH, WHOLE
from services.catalog.analysis.spelling import modern

_REMEMBERED = 60_000  # words: 10 MB; rarer ones are stemmed again
_ROMAN = re.compile(r"[ivxlcdm]+\Z")
_indonesian = Stemmer("indonesian", 0)
_english = Stemmer("english", 0)
_lock = threading.Lock()  # a Stemmer is for one thread at a time


class _Roots(dict[str, str]):
    """Roots by word; forgets everything when it is full, which is cheaper than knowing what is old."""

    def __missing__(self, word: str) -> str:
        with _lock:
            if len(self) >= _REMEMBERED:
                self.clear()
            root = _root(word)
            self[word] = root
        return root


def _root(word: str) -> str:
    word = modern(ENGLISH.get(word, word))
    if len(word) < 4 or not word.isascii():
        return word
    known = _known(word)
    if known is not None:
        return known
    for clitic in CLITICS:
        if word.endswith(clitic) and (known := _known(word[: -len(clitic)])) is not None:
            return known
    if _ROMAN.match(word) or any(map(str.isdigit, word)):
        return word
    stem = str(_indonesian.stemWord(word))
    if stem == word:
        return _singular(word)
    for whole in (stem + "i", stem + "an"):
        # The stemmer has taken a part of the root with the suffix: ekonom(i)nya.
        if whole in WHOLE and whole in word:
            return whole
    return IRREGULAR.get(stem, stem) if len(stem) >= 3 else word


def _known(word: str) -> str | None:
    if word in WHOLE:
        return word
    return IRREGULAR.get(word)


def _singular(word: str) -> str:
    """An English word without -s, -ing or -ed. Endings of Indonesian or Latin words (-as, -is, -os, -us) stay."""
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
    """What a folded word is found under."""
    return _roots[word]


roots = _roots.__getitem__
