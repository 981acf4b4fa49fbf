"""Stems: Snowball's Indonesian and English, with what Snowball gets wrong put right."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from Stemmer import Stemmer

from services.catalog.analysis.exceptions import IRREGULAR, WHOLE

MARK = "~"  # ends an English stem; no folded token has it
INDONESIAN, ENGLISH = 1, 2
NONE, BOTH = 0, INDONESIAN | ENGLISH
_LANGUAGES = {
    **dict.fromkeys(("ind", "may", "msa", "zlm", "zsm"), INDONESIAN),
    "eng": ENGLISH,
    **dict.fromkeys(("", "und", "mul", "zxx"), BOTH),
}
_REMEMBERED = 200_000  # words; a catalogue of a million records has about as many that come back

_indonesian = Stemmer("indonesian", 0)
_english = Stemmer("english", 0)
_lock = threading.Lock()  # a Stemmer is for one thread at a time


class _Stems(dict[str, str]):
    """Stems by word; forgets everything when it is full, which is cheaper than knowing what is old."""

    def __init__(self, make: Stemmer, mark: str) -> None:
        super().__init__()
        self._make = make
        self._mark = mark

    def __missing__(self, word: str) -> str:
        with _lock:
            if len(self) >= _REMEMBERED:
                self.clear()
            stem = self._stem(word) + self._mark
            self[word] = stem
        return stem

    def _stem(self, word: str) -> str:
        if self._mark:
            return str(self._make.stemWord(word))
        if word in WHOLE:
            return word
        return IRREGULAR.get(word) or str(self._make.stemWord(word))


_indonesian_stems = _Stems(_indonesian, "")
_english_stems = _Stems(_english, MARK)


def stemmers_for(language: str) -> int:
    """Which stemmers a text in this language (ISO 639-2) gets: NONE, INDONESIAN, ENGLISH or BOTH."""
    return _LANGUAGES.get(language, NONE)


def stems(words: Iterable[str], stemmers: int) -> list[str]:
    """Stems of folded words, in order, for a document; with BOTH, first all Indonesian and then all English ones."""
    if stemmers == INDONESIAN:
        return [_indonesian_stems[each] for each in words]
    if stemmers == ENGLISH:
        return [_english_stems[each] for each in words]
    if stemmers == BOTH:
        words = list(words)
        return [_indonesian_stems[each] for each in words] + [_english_stems[each] for each in words]
    return []


def query_stems(word: str) -> tuple[str, str]:
    """What a folded word of a query is called among the stems: in an Indonesian text, in an English one."""
    return _indonesian_stems[word], _english_stems[word]
