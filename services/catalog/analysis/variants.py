"""Variants of a word: words that stand for each other, Minangkabau spellings, and verbs as they are spoken."""

from __future__ import annotations

from functools import lru_cache

from services.catalog.analysis.colloquial import spoken_roots
from services.catalog.analysis.minangkabau import spellings_of
from services.catalog.analysis.stemming import root
from services.catalog.analysis.vocabulary import variants_of as vocabulary_variants

_MOST_CACHED = 20_000  # cached words, because searches repeat words


def variants_of(word: str) -> tuple[str, ...]:
    """Return the roots of the variants of a folded word: those of the vocabulary, or else those by sound changes."""
    return vocabulary_variants(root(word)) or _by_sound(word)


@lru_cache(_MOST_CACHED)
def _by_sound(word: str) -> tuple[str, ...]:
    """Change the whole word first, then its root: the stemmer cuts sakolah to sako, but sakolah is sekolah."""
    return spellings_of(word) or spellings_of(root(word)) or spoken_roots(word)
