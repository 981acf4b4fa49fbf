"""Exceptions for words that Snowball's Indonesian stemmer gets wrong, read from exceptions.toml and regions.txt."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from services.catalog.analysis.folding import tokens

_LISTS: dict[str, str] = tomllib.loads(Path(__file__).with_name("exceptions.toml").read_text(encoding="utf-8"))
_NASALS = {"t": "n", "k": "ng", "p": "m"}
_TAILS = ("", "kan", "i", "an", "wan")
CLITICS = ("nya", "kah", "lah", "pun", "ku", "mu")


def _words(*names: str) -> frozenset[str]:
    return frozenset(word for name in names for word in _LISTS[name].split())


def _derivations(name: str) -> dict[str, str]:
    lines = (line.split(":") for line in _LISTS[name].strip().splitlines())
    return {word: stem.strip() for stem, words in lines for word in words.split()}


def _regions() -> frozenset[str]:
    """Read the words of names of provinces, regencies and cities: mentawai is not tawa, penajam is not ajam."""
    lines = Path(__file__).with_name("regions.txt").read_text(encoding="utf-8").splitlines()
    words = frozenset(word for line in lines if not line.startswith("#") for word in tokens(line))
    return words - _words("not_in_names")


def _nasal_derivations() -> Iterator[tuple[str, str]]:
    for root in _LISTS["nasal_roots"].split():
        for prefix in ("me", "pe", "keper" if root[0] == "k" else "kepe"):
            for tail in _TAILS:
                yield prefix + _NASALS[root[0]] + root[1:] + tail, root


ENGLISH_WHOLE = _words("english_whole")
WHOLE = _words("places", "roots", "foreign", "minangkabau") | _regions() | ENGLISH_WHOLE
IRREGULAR = {**dict(_nasal_derivations()), **_derivations("irregular")}
ENGLISH = _derivations("english")  # irregular plurals
NOT_ENGLISH = _words("not_english")
