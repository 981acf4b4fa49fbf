"""Real words: a query's word that is one of them is never replaced by another."""

from __future__ import annotations

from services.catalog.analysis.exceptions import CLITICS, IRREGULAR, WHOLE
from services.catalog.analysis.listed_words import is_in_lists
from services.catalog.analysis.spelling import VARIANTS
from services.catalog.analysis.vocabulary import is_light_word, is_own_word

_ENDINGS = (*CLITICS, "s")
_SHORTEST = 4  # letters


def is_real_word(token: str) -> bool:
    """Return True for a word of the lists, the vocabulary or the stemmer's exceptions, also with a clitic or -s.

    Other derivations must be in the lists themselves, because the root of a misspelt word may be a real word (peelangi:
    elang).
    """
    if is_listed_word(token):
        return True
    ends = [ending for ending in _ENDINGS if token.endswith(ending) and len(token) - len(ending) >= _SHORTEST]
    return any(_is_listed(token.removesuffix(ending)) for ending in ends)


def is_listed_word(token: str) -> bool:
    """Return True for a word that is known in this form."""
    return is_light_word(token) or token in VARIANTS or _is_listed(token)


def _is_listed(word: str) -> bool:
    return word in WHOLE or word in IRREGULAR or is_own_word(word) or is_in_lists(word)
