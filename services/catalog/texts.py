"""Bounds for arbitrary text: normalisation in linear time, removal of control characters, cuts at a word."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import Literal

MOST_MARKS = 30  # combining marks in a row; Unicode's stream-safe format (UAX #15) has the same bound
LONGEST_IDENTIFIER = 200
_HASH_LENGTH = 32

# Every combining mark is above U+02FF and is not a word character, except the two in _KANA_MARKS.
_LONG_RUN = re.compile(rf"[^\w\x00-\u02ff]{{{MOST_MARKS + 1},}}")
_KANA_MARKS = {"\uff9e": "\u3099", "\uff9f": "\u309a"}  # letters that NFKD makes combining marks
_COMPOUND_MARKS = frozenset("\u0f73\u0f75\u0f81")  # not marks themselves, but their decomposition begins with one
_CONTROLS: dict[int, str | None] = dict.fromkeys((*range(32), *range(127, 160)))
_CONTROLS |= {ord(blank): " " for blank in "\t\n\v\f\r\x85"}


def normalize(form: Literal["NFC", "NFKD"], text: str) -> str:
    """Normalise a text in linear time: of each run of combining marks, only the first MOST_MARKS stay.

    Unicode's normalisation sorts the marks after a letter in quadratic time.
    """
    if text.isascii():
        return text
    if len(text) <= MOST_MARKS:
        return unicodedata.normalize(form, text)
    if form == "NFKD":
        for letter, mark in _KANA_MARKS.items():
            text = text.replace(letter, mark)
    return unicodedata.normalize(form, _LONG_RUN.sub(_first_marks, text))


def _first_marks(run: re.Match[str]) -> str:
    characters: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) or character in _COMPOUND_MARKS else 0
        if marks <= MOST_MARKS:
            characters.append(character)
    return "".join(characters)


def without_controls(text: str) -> str:
    """Remove control characters, which PostgreSQL or terminals do not accept; tabs and line ends become blanks."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def identifier(text: str) -> str:
    """Return a control number as a key stores it: without control characters, at most LONGEST_IDENTIFIER characters.

    A longer one keeps its beginning, followed by the hash of the whole, so that two long ones stay different.
    """
    text = without_controls(text)
    if len(text) <= LONGEST_IDENTIFIER:
        return text
    return f"{text[: LONGEST_IDENTIFIER - _HASH_LENGTH - 1]}#{sha256(text.encode()).hexdigest()[:_HASH_LENGTH]}"


def shorten(text: str, longest: int) -> str:
    """Cut a text at a word and add an ellipsis, if it has more than `longest` characters."""
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    words = cut if text[longest - 1].isspace() else cut.rpartition(" ")[0]
    return (words if len(words) > longest // 2 else cut).rstrip(" ,:;/=-") + "…"
