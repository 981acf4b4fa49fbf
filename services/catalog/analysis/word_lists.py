"""Lists of real words, Indonesian and English: a query's word that is in them is never replaced by another.

A process reads them at its first unknown word: 0.8 MB in memory. The comment at the top of each list names its source.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from services.catalog.analysis.exceptions import CLITICS, IRREGULAR, WHOLE
from services.catalog.analysis.spelling import VARIANTS
from services.catalog.analysis.vocabulary import is_light_word, is_own_word

_FILES = ("words_id.txt", "words_en.txt")
_ENDINGS = (*CLITICS, "s")
_SHORTEST = 4  # letters
_SEARCHED = 200  # bytes; more than any word, so that halving makes the part shorter


class _WordList(NamedTuple):
    """text: the words in order, each after a line break, and a line break at the end."""

    text: bytes

    def has(self, word: bytes) -> bool:
        """Halve the part of the text that may have the word, until a search through it takes no time."""
        text, start, end = self.text, 0, len(self.text) - 1
        while end - start > _SEARCHED:
            middle = text.index(b"\n", (start + end) // 2)
            if text[middle + 1 : middle + 1 + len(word)] < word:
                start = middle
            elif text.startswith(b"%b\n" % word, middle + 1):
                return True
            else:
                end = middle
        return text.find(b"\n%b\n" % word, start, end + 1) >= 0


def is_real_word(token: str) -> bool:
    """Return True for a word of the lists, the vocabulary or the stemmer's exceptions, also with a clitic or -s.

    Other derivations must be in the lists themselves, because the root of a misspelt word may be a real word (peelangi:
    elang).
    """
    if is_light_word(token) or token in VARIANTS:
        return True
    ends = [ending for ending in _ENDINGS if token.endswith(ending) and len(token) - len(ending) >= _SHORTEST]
    return any(map(_is_listed, (token, *(token.removesuffix(ending) for ending in ends))))


def is_indonesian_word(word: str) -> bool:
    """Return True for a word that is in the Indonesian list in this form."""
    if not word.isascii():
        return False
    indonesian, _english = _lists()
    return indonesian.has(word.encode())


def _is_listed(word: str) -> bool:
    if word in WHOLE or word in IRREGULAR or is_own_word(word):
        return True
    return word.isascii() and any(words.has(word.encode()) for words in _lists())


@cache
def _lists() -> tuple[_WordList, ...]:
    return tuple(_read(Path(__file__).with_name(name)) for name in _FILES)


def _read(path: Path) -> _WordList:
    text = path.read_bytes()
    text = text[text.rindex(b"#") :]  # the last line of the head; a line break begins each word
    return _WordList(text)
