"""Which words of a brief record were meant by the query: its texts, cut where a match begins or ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.catalog.analysis import query_stems, tokens
from services.catalog.query import Phrase, Query, Word
from services.catalog.ranking import PREFIX_LENGTH

_SPAN = re.compile(r"[\w'’ʼʻʾʿ`‘]+")
# Field of the brief record -> fields of the query that reach it.
_REACHED = {
    "title": ("", "title"),
    "subtitle": ("", "title"),
    "responsibility": ("", "author"),
    "authors": ("", "author"),
    "series": ("",),
    "publisher": ("",),
    "summary": ("",),
}


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked in one field: whole tokens, stems of either language, beginnings."""

    exact: frozenset[str]
    stems: frozenset[str]
    begun: tuple[str, ...]

    def __contains__(self, word: str) -> bool:
        found, stems = _forms(word)
        return (
            not self.exact.isdisjoint(found)
            or not self.stems.isdisjoint(stems)
            or (bool(self.begun) and any(token.startswith(self.begun) for token in found))
        )


@lru_cache(maxsize=65_536)
def _forms(word: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tokens of a word as it stands in a text, and their stems. Remembered: the same words come in every list."""
    found = tuple(tokens(word))
    return found, tuple(stem for token in found for stem in query_stems(token))


def highlights(marks: Mapping[str, Marks], brief: Mapping[str, Any]) -> dict[str, list[str]]:
    """Fields of the brief record with a word that was found, cut in pieces: every second piece (1, 3, …) was found.

    The pieces joined are the text; names in `authors` are joined by "; ".
    """
    found = {}
    for field, marked in marks.items():
        text = brief.get(field)
        if isinstance(text, list):
            text = "; ".join(text)
        if text and len(pieces := cut(text, marked)) > 1:
            found[field] = pieces
    return found


def cut(text: str, marks: Marks) -> list[str]:
    """The text in pieces, every second one marked."""
    pieces = [""]
    end = 0
    for span in _SPAN.finditer(text):
        if span.group() not in marks:
            continue
        between = text[end : span.start()]
        if len(pieces) > 1 and between.isspace():  # words side by side are one mark
            pieces[-2] += between + span.group()
        else:
            pieces[-1] += between
            pieces += [span.group(), ""]
        end = span.end()
    pieces[-1] += text[end:]
    return pieces


def marks_of(query: Query) -> dict[str, Marks]:
    """What a query marks, by field of the brief record; good for one search."""
    marks = {}
    for field, reached in _REACHED.items():
        exact: set[str] = set()
        stems: set[str] = set()
        begun: list[str] = []
        for place, part in enumerate(query.parts):
            if not isinstance(part, Word | Phrase) or part.field not in reached:
                continue
            words = tokens(part.text)
            exact.update(words)
            if isinstance(part, Word):
                stems.update(stem for word in words for stem in query_stems(word))
                last = place == len(query.parts) - 1
                if (last or part.prefix) and len(words[-1]) >= PREFIX_LENGTH:
                    begun.append(words[-1])
        if exact:
            marks[field] = Marks(frozenset(exact), frozenset(stems), tuple(begun))
    return marks
