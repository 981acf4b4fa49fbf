"""Variants of a word: words that stand for each other, Minangkabau spellings, and verbs as they are spoken."""

from __future__ import annotations

from services.catalog.analysis.colloquial import spoken_roots
from services.catalog.analysis.minangkabau import spellings_of
from services.catalog.analysis.stemming import root
from services.catalog.analysis.vocabulary import variants_of as vocabulary_variants


def variants_of(word: str) -> tuple[str, ...]:
    """Return the roots of the variants of a folded word: those of the vocabulary, or else those by sound changes.

    The whole word is changed first: the stemmer cuts sakolah to sako, but sakolah is sekolah.
    """
    word_root = root(word)
    return vocabulary_variants(word_root) or spellings_of(word) or spellings_of(word_root) or spoken_roots(word)
