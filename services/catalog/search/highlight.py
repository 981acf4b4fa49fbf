"""Which words of a brief record were meant by the query: its texts, cut where a match begins or ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.catalog.analysis import is_stop_word, root, tokens
from services.catalog.search.query.tree import AnyOf, Phrase, Query, Word
from services.catalog.search.ranking.weights import PREFIX_LENGTH

_WORD = re.compile(r"[\w'’ʼʻʾʿ`‘]+")
# Field of the brief record -> fields of the query that reach it.
_QUERY_FIELDS = {
    "title": ("", "title"),
    "subtitle": ("", "title"),
    "responsibility": ("", "author"),
    "authors": ("", "author"),
    "series": ("", "series"),
    "publisher": ("", "publisher"),
    "summary": ("",),
}


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked in one field: tokens as they are, roots, beginnings."""

    exact: frozenset[str]
    roots: frozenset[str]
    begun: tuple[str, ...]

    def __contains__(self, word: str) -> bool:
        found, roots = _forms(word)
        return (
            not self.exact.isdisjoint(found)
            or not self.roots.isdisjoint(roots)
            or (bool(self.begun) and any(token.startswith(self.begun) for token in found))
        )


@lru_cache(maxsize=65_536)
def _forms(word: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tokens of a word as it stands in a text, and their roots. Remembered: the same words come in every list."""
    found = tuple(tokens(word))
    return found, tuple(map(root, found))


def highlights(marks: Mapping[str, Marks], brief: Mapping[str, Any]) -> dict[str, list[str]]:
    """Fields of the brief record with a word that was found, cut in pieces: every second piece (1, 3, …) was found.

    The pieces joined are the text; names in `authors` are joined by "; ".
    """
    found = {}
    for field, marked in marks.items():
        text = brief.get(field)
        if isinstance(text, list):
            text = "; ".join(text)
        if text and len(pieces := split_at_marks(text, marked)) > 1:
            found[field] = pieces
    return found


def split_at_marks(text: str, marks: Marks) -> list[str]:
    """The text in pieces, every second one marked."""
    pieces = [""]
    end = 0
    for span in _WORD.finditer(text):
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


def marks_for(query: Query) -> dict[str, Marks]:
    """What a query marks, by field of the brief record; good for one search. Words too common to decide mark nothing
    where others decide."""
    asked = list(_searched_parts(query))
    deciding = [each for each in asked if not (isinstance(each, Word) and is_stop_word(each.text.lower()))] or asked
    last = query.parts[-1] if query.parts else None
    marks = {}
    for field, reached in _QUERY_FIELDS.items():
        exact: set[str] = set()
        roots: set[str] = set()
        begun: list[str] = []
        for part in deciding:
            if part.field not in reached:
                continue
            words = tokens(part.text)
            exact.update(words)
            if isinstance(part, Word):
                roots.update(map(root, words))
                if (part is last or part.prefix) and len(words[-1]) >= PREFIX_LENGTH:
                    begun.append(words[-1])
        if exact:
            marks[field] = Marks(frozenset(exact), frozenset(roots), tuple(begun))
    return marks


def _searched_parts(query: Query) -> Iterator[Word | Phrase]:
    """The words and phrases that a record may have been found by."""
    for part in query.parts:
        if isinstance(part, AnyOf):
            for choice in part.choices:
                yield from _searched_parts(choice)
        elif isinstance(part, Word | Phrase):
            yield part
