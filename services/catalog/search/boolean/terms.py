"""The terms of clauses: words with masks and anchors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from chassis.errors import Invalid
from services.catalog.analysis import tokens

LEAST_LETTERS = 3  # of a word with a mask
MASKS = re.compile(r"[*?]")
# Letters of a script that no catalogue has stand for masks while a term is folded and split into words.
_ANY, _ONE, _ANCHOR = "\U00010000", "\U00010001", "\x00"
_MARKS = {"*": _ANY, "?": _ONE, "^": _ANCHOR}
_NOT_TYPED = str.maketrans(dict.fromkeys((_ANY, _ONE, _ANCHOR), " "))
_TO_MASKS = str.maketrans({_ANY: "*", _ONE: "?"})
_STARS = re.compile(rf"{_ANY}+")


class Part(NamedTuple):
    """The characters of a term between two blanks.

    words    folded, with `*` and `?` where these are masks; several for laki-laki
    first    `^` is before it
    last     `^` is after it
    """

    words: tuple[str, ...]
    first: bool = False
    last: bool = False


def read_term(term: str, *, field: str, masked: bool = True) -> list[Part]:
    """Read a term; parts without a letter or digit are left out.

    masked  False: `*`, `?` and `^` are plain
    raises  Invalid  ANCHOR_MISPLACED, WILDCARD_TOO_SHORT, TERM_EMPTY
    """
    parts = []
    for text in _mark(term, masked=masked).split():
        plain = text.strip(_ANCHOR)
        words = tuple(word.translate(_TO_MASKS) for word in tokens(plain))
        first, last = text.startswith(_ANCHOR), text.endswith(_ANCHOR)
        if _ANCHOR in plain or (not words and (first or last)):
            raise Invalid("ANCHOR_MISPLACED", term=term)
        for word in words:
            literal = MASKS.sub("", word)
            if literal != word and len(literal) < (LEAST_LETTERS if literal.isascii() else 1):
                raise Invalid("WILDCARD_TOO_SHORT", least=LEAST_LETTERS, word=word)
        if words:
            parts.append(Part(words, first, last))
    if not parts:
        raise Invalid("TERM_EMPTY", field=field)
    return parts


def joined(parts: Sequence[Part], term: str) -> Part:
    """Join the parts of a term whose words are side by side.

    raises  Invalid  ANCHOR_MISPLACED  `^` is inside the term
    """
    if any(part.first for part in parts[1:]) or any(part.last for part in parts[:-1]):
        raise Invalid("ANCHOR_MISPLACED", term=term)
    return Part(tuple(word for part in parts for word in part.words), parts[0].first, parts[-1].last)


def unescaped(term: str) -> str:
    """Return a term without the backslashes before plain characters."""
    return re.sub(r"\\(.)", r"\1", term, flags=re.DOTALL)


def _mark(term: str, *, masked: bool) -> str:
    """Replace masks and anchors by characters that are not typed; remove the backslashes."""
    term = term.translate(_NOT_TYPED)
    if not masked:
        return unescaped(term)
    marked = re.sub(
        r"\\(.)|[*?^]", lambda found: found.group(1) or _MARKS.get(found.group(), ""), term, flags=re.DOTALL
    )
    return _STARS.sub(_ANY, marked)
