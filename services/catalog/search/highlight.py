"""Highlights: the texts of a brief record, split where a match begins or ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.catalog.analysis import is_light_word, root, tokens, variants_of
from services.catalog.search.query.tree import AnyOf, Phrase, Query, Word
from services.catalog.search.ranking.weights import PREFIX_LENGTH

_WORD = re.compile(r"[\w'’ʼʻʾʿ`‘]+")
# Field of the brief record -> fields of the query that search it.
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
    """The marks of one field: tokens as typed, roots of tokens, and beginnings of tokens."""

    exact: frozenset[str]
    roots: frozenset[str]
    beginnings: tuple[str, ...]

    def __contains__(self, word: str) -> bool:
        word_tokens, roots = _forms(word)
        return (
            not self.exact.isdisjoint(word_tokens)
            or not self.roots.isdisjoint(roots)
            or (bool(self.beginnings) and any(token.startswith(self.beginnings) for token in word_tokens))
        )


@lru_cache(maxsize=65_536)
def _forms(word: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tokens of a word and their roots. Cached, because hits repeat the same words."""
    word_tokens = tuple(tokens(word))
    return word_tokens, tuple(map(root, word_tokens))


def highlights(marks: Mapping[str, Marks], brief: Mapping[str, Any]) -> dict[str, list[str]]:
    """Split the fields of the brief record that have a match: every second piece (1, 3, …) matches.

    The joined pieces are the text; names in `authors` are joined by "; ".
    """
    pieces_of = {}
    for field, field_marks in marks.items():
        text = brief.get(field)
        if isinstance(text, list):
            text = "; ".join(text)
        if text and len(pieces := split_at_marks(text, field_marks)) > 1:
            pieces_of[field] = pieces
    return pieces_of


def split_at_marks(text: str, marks: Marks) -> list[str]:
    """Split a text into pieces, every second one marked."""
    pieces = [""]
    end = 0
    for span in _WORD.finditer(text):
        if span.group() not in marks:
            continue
        between = text[end : span.start()]
        if len(pieces) > 1 and between.isspace():  # adjacent words are one mark
            pieces[-2] += between + span.group()
        else:
            pieces[-1] += between
            pieces += [span.group(), ""]
        end = span.end()
    pieces[-1] += text[end:]
    return pieces


def marks_for(query: Query) -> dict[str, Marks]:
    """Return the marks of a query in each field of the brief record; stop words count only in a query of stop words."""
    searched_parts = list(_searched_parts(query))
    content_parts = [
        searched_part
        for searched_part in searched_parts
        if not (isinstance(searched_part, Word) and is_light_word(searched_part.text.lower()))
    ] or searched_parts
    last_part = query.parts[-1] if query.parts else None
    marks = {}
    for field, query_fields in _QUERY_FIELDS.items():
        exact: set[str] = set()
        roots: set[str] = set()
        beginnings: list[str] = []
        for part in content_parts:
            if part.field not in query_fields:
                continue
            words = tokens(part.text)
            exact.update(words)
            if isinstance(part, Word):
                roots.update(map(root, words))
                roots.update(variant for word in words for variant in variants_of(word))
                if (part is last_part or part.prefix) and len(words[-1]) >= PREFIX_LENGTH:
                    beginnings.append(words[-1])
        if exact:
            marks[field] = Marks(frozenset(exact), frozenset(roots), tuple(beginnings))
    return marks


def _searched_parts(query: Query) -> Iterator[Word | Phrase]:
    """Yield the words and phrases that a record may match."""
    for part in query.parts:
        if isinstance(part, AnyOf):
            for choice in part.choices:
                yield from _searched_parts(choice)
        elif isinstance(part, Word | Phrase):
            yield part
