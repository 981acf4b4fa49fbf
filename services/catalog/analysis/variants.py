"""Variants of a word: words that stand for each other, Minangkabau spellings, and verbs as they are spoken.

Spoken Indonesian verbs have a nasal sound in place of the prefix me- and its changes: nulis is menulis, ngajarin is
mengajari, nyari is mencari. A verb is recognised only if the written verb and its root are listed words, because other
words begin with the same letters: nama, nasi, nyata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from services.catalog.analysis.exceptions import WHOLE
from services.catalog.analysis.listed_words import is_indonesian_word
from services.catalog.analysis.minangkabau import spellings_of
from services.catalog.analysis.stemming import root
from services.catalog.analysis.vocabulary import is_weak_word
from services.catalog.analysis.vocabulary import variants_of as vocabulary_variants

_MOST_CACHED = 20_000  # cached words, because searches repeat words
_MAY_BE = re.compile(r"n(?:[gy]|[aiueo])[a-z]{3,16}\Z")
_ENDINGS = ("in", "")  # ngajarin: -in is -kan or -i
_VOWELS = frozenset("aeiou")
_SHORTEST = 5  # letters


def variants_of(word: str) -> tuple[str, ...]:
    """Return the roots of the variants of a folded word: those of the vocabulary, or else those by sound changes."""
    return vocabulary_variants(root(word)) or _by_sound(word)


@lru_cache(_MOST_CACHED)
def _by_sound(word: str) -> tuple[str, ...]:
    """Change the whole word first, then its root: the stemmer cuts sakolah to sako, but sakolah is sekolah."""
    return spellings_of(word) or spellings_of(root(word)) or _spoken_roots(word)


def _spoken_roots(word: str) -> tuple[str, ...]:
    """Return the root of the written verb; none for a word that is no such verb."""
    if not _MAY_BE.match(word) or word in WHOLE or is_weak_word(word):
        return ()
    return next(((root(verb),) for verb in _verbs(word) if is_indonesian_word(verb)), ())


def _verbs(word: str) -> Iterator[str]:
    """Yield possible verbs without the prefix me-."""
    for ending in _ENDINGS:
        spoken = word.removesuffix(ending)
        if not word.endswith(ending) or len(spoken) < _SHORTEST:
            continue
        if spoken.startswith("nge"):
            yield "ke" + spoken[3:]  # ngerjain
            if not _VOWELS.isdisjoint(spoken[3:5]):
                yield spoken[3:]  # ngelihat
        elif spoken.startswith("ng"):
            if _is_written(f"me{spoken}"):
                verbs = spoken[2:], "k" + spoken[2:]
                yield from sorted(verbs, key=lambda verb: verb != root(f"me{spoken}"))
        elif spoken.startswith("ny"):
            if _is_written(f"menc{spoken[2:]}"):
                yield "c" + spoken[2:]
            if is_indonesian_word(f"me{spoken}"):
                yield "s" + spoken[2:]
        elif is_indonesian_word(f"me{spoken}"):
            yield "t" + spoken[1:]


def _is_written(verb: str) -> bool:
    return any(is_indonesian_word(verb + ending) for ending in ("", "kan", "i"))
