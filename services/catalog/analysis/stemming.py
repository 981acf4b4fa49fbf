"""Reduces words to roots, so that a search matches any spelling, affix and number.

One rule is used for all languages, so that a query word needs one look-up and not one for each language: spelling
variants become one (spelling.toml), Indonesian affixes are removed (Snowball, with corrections; where its result is no
listed word, a root of the list), and an English plural, gerund or past tense loses its ending. Snowball's Indonesian
stemmer changes only 2 % of English words; exceptions.toml lists the words that would otherwise match another meaning.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

from Stemmer import Stemmer

from services.catalog.analysis.exceptions import CLITICS, ENGLISH, ENGLISH_WHOLE, IRREGULAR, NOT_ENGLISH, WHOLE
from services.catalog.analysis.listed_words import is_english_word, is_indonesian_word
from services.catalog.analysis.spelling import modern

_MOST_CACHED = 60_000  # cached words, 10 MB
_ROMAN_DIGITS = "ivxlcdm"
_ROMAN = re.compile(rf"[{_ROMAN_DIGITS}]+\Z")
_DIGIT = re.compile("[0-9]")
_indonesian = Stemmer("indonesian", 0)
_english = Stemmer("english", 0)
# Of derivations whose roots are looked up, and sounds that me- and pe- leave as they are.
_PREFIXES = ("me", "pe", "ber", "ter", "di", "ke")
_UNCHANGED, _VOWELS = frozenset("lrwy"), frozenset("aeiou")
# Roots that are too short for the list.
_SHORT_ROOTS = "isi air api aku ibu adu uji abu aju eja asi ayu apa ada aba ego era cat bom cek las sah sen"
_SHORT = frozenset(_SHORT_ROOTS.split())
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
    if stem in IRREGULAR or len(stem) < 3:
        return IRREGULAR.get(stem, word)
    return stem if stem in _SHORT or is_indonesian_word(stem) else _root_of_unlisted(word, stem)


def _root_of_unlisted(word: str, stem: str) -> str:
    """Return the root of a word of which Snowball leaves no listed word."""
    if is_english_word(word):
        return _singular(word)
    if len(word) > 5 and word.startswith(_PREFIXES):
        return _without_prefix(word) or stem
    return stem


def _without_prefix(word: str) -> str | None:
    """Return the root of a derivation whose root is a listed word; None when there is no such root.

    Snowball does not know the roots, so of menabung, menikah and berenang it leaves abung, meni and enang.
    """
    for derived in _derived(word):
        if is_indonesian_word(derived):
            derived_root = _root(derived)
            if derived_root == derived or is_indonesian_word(derived_root):
                return derived_root
    return None


def _derived(word: str) -> Iterator[str]:
    """Yield what may be left of a word without its first prefix; me- and pe- change the sound after them."""
    if word.startswith(("me", "pe")):
        sound = next((sound for sound in ("ng", "ny", "m", "n") if word.startswith(sound, 2)), "")
        rest = word[2 + len(sound) :]
        begins_with_vowel = rest[:1] in _VOWELS
        match sound:
            case "ny":
                yield from ("s" + rest, "ny" + rest)
            case "":
                if rest[:1] in _UNCHANGED:
                    yield rest
            case _ if not begins_with_vowel:
                yield rest
            case "ng":
                yield from (rest, "k" + rest)
            case "m":
                yield from ("p" + rest, "m" + rest)
            case "n":
                yield from ("t" + rest, "n" + rest)
    elif word.startswith(("ber", "ter")):
        yield from (word[3:], word[2:])  # bertemu, berenang
    elif word.startswith(("di", "ke")):
        yield word[2:]


def _known(word: str) -> str | None:
    if word in WHOLE:
        return word
    if word[-1:] == "s" and (singular := _singular(word)) in ENGLISH_WHOLE:
        return singular
    return IRREGULAR.get(word)


def _singular(word: str) -> str:
    """Remove -s, -ing or -ed of an English word; keep endings of Indonesian and Latin words (-as, -is, -os, -us)."""
    if word in NOT_ENGLISH or len(word) < 3:
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
