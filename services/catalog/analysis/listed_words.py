"""The files of listed words, Indonesian and English: 0.8 MB in memory, which a process reads when it first needs them.

The comment at the top of each file names its source.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

_FILES = ("words_id.txt", "words_en.txt")
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


def is_indonesian_word(word: str) -> bool:
    """Return True for a word that is in the Indonesian list in this form; it has words from four letters."""
    if not word.isascii() or not word:
        return False
    indonesian, _english = both_lists()
    return indonesian.has(word.encode())


def is_english_word(word: str) -> bool:
    """Return True for a word that is in the English list in this form."""
    _indonesian, english = both_lists()
    return bool(word) and word.isascii() and english.has(word.encode())


@lru_cache(4_096)  # searches repeat words
def is_in_lists(word: str) -> bool:
    """Return True for a word that is in one of the lists in this form."""
    return bool(word) and word.isascii() and any(words.has(word.encode()) for words in both_lists())


@cache
def both_lists() -> tuple[_WordList, ...]:
    return tuple(_read(Path(__file__).with_name(name)) for name in _FILES)


def _read(path: Path) -> _WordList:
    text = path.read_bytes()
    text = text[text.rindex(b"#") :]  # the last line of the head; a line break begins each word
    return _WordList(text)
