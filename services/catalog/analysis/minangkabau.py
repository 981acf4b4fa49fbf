"""Indonesian words behind Minangkabau spellings: regular sound changes, checked by the lists of real words.

Minangkabau and Indonesian words differ by rule: gunuang is gunung, padeh is pedas, marantau is merantau. A word that is
in no list is changed by these rules, and the result is used only if it is a real word. Pairs that follow no rule, and
words that are spelt like another Indonesian word, are in vocabulary.txt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from services.catalog.analysis.exceptions import WHOLE
from services.catalog.analysis.listed_words import is_in_lists, is_indonesian_word
from services.catalog.analysis.stemming import root
from services.catalog.analysis.vocabulary import is_light_word, is_own_word, is_weak_word
from services.catalog.analysis.word_lists import is_listed_word, is_real_word

SHORTEST, LONGEST = 4, 20  # letters of a word that is changed back
MOST_SPELLINGS = 2  # of one word; each adds a look-up to a search
_MOST_CACHED = 20_000  # cached words, because searches repeat words
# The end of a Minangkabau word and the ends of the Indonesian word, the commonest first.
_ENDS = (
    ("nyo", ("",)), ("iang", ("ing",)), ("uang", ("ung",)), ("aik", ("at", "ait", "it")), ("uik", ("ut", "up", "uit")),
    ("iak", ("ik", "iat")), ("uak", ("uk", "uat")), ("iah", ("ih",)), ("uah", ("uh",)), ("uih", ("us",)),
    ("aih", ("as",)), ("eh", ("as", "es")), ("ih", ("is",)), ("ek", ("at", "et", "ap")), ("ik", ("it",)),
    ("ok", ("ap", "at")), ("uk", ("ut",)), ("ia", ("ir", "il")), ("ua", ("ur", "ul")),
    ("ie", ("i", "ir")), ("o", ("a",)),
)  # fmt: skip
_PREFIXES = (("ma", "me"), ("ba", "ber"), ("ba", "be"), ("pa", "pe"), ("ta", "ter"), ("ka", "ke"), ("sa", "se"))
_DERIVING = _PREFIXES[:4]  # of derived words; ka, sa and ta begin too many other words
_REMOVED = ("an", "i", "kan", "")
_SHORTEST_DERIVED = 5
_SHORTEST_NAME, _NAME_BEGINS = 7, frozenset(("ma", "ba", "pa", "ta", "sa", "ka"))
# Words without such a beginning or end follow no rule, so most words need no look-up.
_MAY_BE = re.compile(
    rf"[a-z]+(?:{'|'.join(end for end, _others in _ENDS)})\Z"
    rf"|(?:{'|'.join(prefix for prefix, _other in _PREFIXES)})[a-z]+\Z"
)
_NONE: tuple[str, ...] = ()


@lru_cache(_MOST_CACHED)
def spellings_of(word: str) -> tuple[str, ...]:
    """Return the roots of the Indonesian words that a Minangkabau word may be; none for a real word."""
    if not SHORTEST <= len(word) <= LONGEST or not _MAY_BE.match(word) or _is_real(word):
        return _NONE
    roots: dict[str, None] = {}
    for spelling in _changed_back(word):
        if len(spelling) >= SHORTEST and is_indonesian_word(spelling):
            roots[root(spelling)] = None
            if len(roots) == MOST_SPELLINGS:
                break
    return tuple(roots or dict.fromkeys(islice(_derived_roots(word), MOST_SPELLINGS)) or _unlisted(word))


def _unlisted(word: str) -> tuple[str, ...]:
    """Return a long word with e in its first syllable, which may be a name: maringgih is meringgih."""
    return (root(f"{word[0]}e{word[2:]}"),) if len(word) >= _SHORTEST_NAME and word[:2] in _NAME_BEGINS else ()


def _is_real(word: str) -> bool:
    """Return True for a real word, but not for one that is real only without -lah (sakolah is not sako).

    Nor for one that is only in the vocabulary: a line for `sikola agamo` does not say that agamo is not agama.
    """
    if is_own_word(word) and not is_in_lists(word):
        return word in WHOLE or is_light_word(word) or is_weak_word(word)
    return is_listed_word(word) if word.endswith("lah") else is_real_word(word)


def _derived_roots(word: str) -> Iterator[str]:
    """Yield roots of Indonesian words with affixes: mancari is mencari, bajalan is berjalan, pandidikan is pendidikan.

    word  a root, from which a suffix may have been removed with a part of the word: mancar, bajal, pandidi
    """
    if len(word) < _SHORTEST_DERIVED:
        return
    for prefix, other in _DERIVING:
        if word.startswith(prefix):
            for ending in _REMOVED:
                spelling = f"{other}{word[2:]}{ending}"
                word_root = root(spelling)
                if SHORTEST <= len(word_root) < len(spelling) - 1 and is_indonesian_word(word_root):
                    yield word_root


def _changed_back(word: str) -> Iterator[str]:
    """Yield possible Indonesian forms: with the end changed, then with the beginning changed, then with both."""
    ends = [word[: -len(end)] + other for end, others in _ENDS if word.endswith(end) for other in others]
    yield from ends
    for start in (*ends, word):
        yield from (other + start[2:] for prefix, other in _PREFIXES if start.startswith(prefix))
        first, _, rest = start.partition("a")
        second, has_two, last = rest.partition("a")
        if has_two:
            yield f"{first}e{second}e{last}"  # parampuan is perempuan
        if rest and start is not word:
            yield f"{first}e{rest}"  # talua is telur
    yield from ("h" + end for end in ends)  # aluih is halus
