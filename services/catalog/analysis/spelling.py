"""Converts spelling variants to one spelling: old Indonesian spelling, names and words from Arabic.

Old spelling: oe (until 1947) and dj, j, tj, nj, sj, ch (until 1972) are now u and j, y, c, ny, sy, kh. Modern words
rarely have these letters, except j, so they are always converted. A plain j may be modern: it becomes y in listed
words and, by `as_old`, in words next to words in old spelling.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_SIGNS = re.compile(r"oe|dj|tj|sj|ch[aul]|chi(?!ngs?\Z)|\Anj|nja\Z")
_CH = re.compile(r"ch(?=[aul]|i(?!ngs?\Z))")
_LISTS = tomllib.loads(Path(__file__).with_name("spelling.toml").read_text(encoding="utf-8"))
_OTHERS = frozenset(_LISTS["natural"].split())


def _variants() -> dict[str, str]:
    variants: dict[str, str] = {}
    for line in _LISTS["variants"].strip().splitlines():
        first, *others = line.split()
        variants.update(dict.fromkeys((first, *others), first))
    for line in _LISTS["old"].strip().splitlines():
        first, *others = line.split()
        variants.update(dict.fromkeys(others, first))
    return variants


VARIANTS = _variants()


def modern(word: str) -> str:
    """Return the standard spelling of a folded word; most words are unchanged."""
    variant = VARIANTS.get(word)
    if variant is not None:
        return variant
    if not ("j" in word or "oe" in word or "ch" in word):
        return word
    if _SIGNS.search(word) is None or word in _OTHERS or word.startswith(("adje", "adju", "adja")):
        return word
    converted = _letters(word)
    return VARIANTS.get(converted, converted)


def is_old(word: str) -> bool:
    """Return True for a word that must be in old spelling; a plain j in words next to it is then old too."""
    signed = "oe" in word or "tj" in word or "dj" in word or "sj" in word or word == "jang"
    return signed and word not in _OTHERS and VARIANTS.get(word) != word and not word.startswith("adj")


def as_old(word: str) -> str:
    """Convert a word next to words in old spelling: a plain j becomes y, nj becomes ny."""
    new = _letters(word.replace("dj", "\0").replace("nj", "ny").replace("sj", "sy").replace("tj", "c"))
    new = new.replace("j", "y").replace("\0", "j")
    return VARIANTS.get(new, new)


def _letters(word: str) -> str:
    word = word.replace("oe", "u").replace("tj", "c").replace("sj", "sy")
    if word.startswith("nj") or word.endswith("nja"):
        word = word.replace("nj", "ny")
    if "dj" in word:
        # A word with dj is in old spelling, so its plain j is a y.
        word = word.replace("dj", "\0").replace("nj", "ny").replace("j", "y").replace("\0", "j")
    return _CH.sub("kh", word) if len(word) >= 5 else word
