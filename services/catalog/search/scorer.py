"""Scores one document against a match tree as both engines do, for `explain` and for the search in the tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from services.catalog.index.matches import And, Between, Boosted, DisMax, Keyword, Match, Not, Or, Phrase, Prefix, Term
from services.catalog.index.stored_fields import stored_fields
from services.catalog.record.index_document import START, Document

Leaf = Term | Prefix | Phrase | Keyword | Between
_K1, _B = 1.2, 0.75  # parameters of BM25 in both engines


class Part(NamedTuple):
    """A leaf of the match tree that matches the document, and its part of the score."""

    leaf: Leaf
    weight: float


class Fields:
    """A document's fields as the engines store them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._tokens: dict[str, list[str]] = {}

    @cached_property
    def _stored(self) -> dict[str, Any]:
        return stored_fields(self._document)

    def tokens(self, field: str) -> list[str]:
        """Return the tokens of an analysed field, in order, or the values of a keyword field."""
        tokens = self._tokens.get(field)
        if tokens is None:
            content = self._stored.get(field, ())
            tokens = content.split() if isinstance(content, str) else list(content)
            if tokens and tokens[0] == START:
                del tokens[0]
            self._tokens[field] = tokens
        return tokens

    def number(self, field: str) -> int | None:
        value: int | None = self._stored.get(field)
        return value


# Returns the score of a Term in a document, before its boost.
Rarity = Callable[[Term, Fields], float]


def constant_rarity(_term: Term, _fields: Fields) -> float:
    """Give every word the same weight: without an index there are no document frequencies."""
    return 5.0


def rarity_of(total: int, documents: int) -> float:
    """Return the inverse document frequency of a word that `total` of the documents have, as BM25 computes it."""
    with_word = min(total, documents)
    return math.log1p((documents - with_word + 0.5) / (with_word + 0.5))


def bm25(documents: int, frequency: Callable[[Term], int], lengths: Callable[[str], float]) -> Rarity:
    """Return the BM25 score of a Term, as both engines compute it.

    documents  in the index
    frequency  returns the documents that have the term
    lengths    returns the mean number of tokens in a field
    """

    def rarity(term: Term, fields: Fields) -> float:
        tokens = fields.tokens(term.field)
        occurrences, length = tokens.count(term.token), (len(tokens) + 1) / max(1.0, lengths(term.field))
        idf = rarity_of(frequency(term), documents)
        return idf * occurrences * (_K1 + 1) / (occurrences + _K1 * (1 - _B + _B * length))

    return rarity


def weigh(match: Match, fields: Fields, rarity: Rarity) -> list[Part] | None:
    """List each leaf that matches the document, with its part of the score; None when the document does not match."""
    match match:
        case Term() | Prefix() | Phrase() | Keyword() | Between():
            return _weigh_leaf(match, fields, rarity)
        case And(of=parts):
            return _all_parts([weigh(part, fields, rarity) for part in parts])
        case Or(of=parts):
            part_lists = [part_list for part in parts if (part_list := weigh(part, fields, rarity)) is not None]
            return _all_parts(part_lists) if part_lists else None
        case DisMax(choices=choices, tie=tie):
            return _best_parts([weigh(choice, fields, rarity) for choice in choices], tie)
        case Not(match=inner, without=without):
            if any(weigh(exclusion, fields, rarity) is not None for exclusion in without):
                return None
            return weigh(inner, fields, rarity)
        case Boosted(match=inner, bonus=bonus):
            inner_parts = weigh(inner, fields, rarity)
            return (
                None
                if inner_parts is None
                else _all_parts([inner_parts, *(weigh(part, fields, rarity) or [] for part in bonus)])
            )
    raise TypeError(match)  # Pattern and Near: a boolean search is neither explained nor answered from the tables


def total_weight(parts: Sequence[Part]) -> float:
    return sum(part.weight for part in parts)


def _all_parts(lists: Sequence[list[Part] | None]) -> list[Part] | None:
    parts: list[Part] = []
    for part_list in lists:
        if part_list is None:
            return None
        parts += part_list
    return parts


def _best_parts(lists: Sequence[list[Part] | None], tie: float) -> list[Part] | None:
    part_lists = [part_list for part_list in lists if part_list is not None]
    if not part_lists:
        return None
    best = max(range(len(part_lists)), key=lambda index: total_weight(part_lists[index]))
    return [
        part if index == best else Part(part.leaf, part.weight * tie)
        for index, part_list in enumerate(part_lists)
        for part in part_list
    ]


def _weigh_leaf(leaf: Leaf, fields: Fields, rarity: Rarity) -> list[Part] | None:
    match leaf:
        case Term(field=field, token=token, boost=boost):
            matches, weight = token in fields.tokens(field), boost
            return [Part(leaf, weight * rarity(leaf, fields))] if matches else None
        case Prefix(field=field, token=token, boost=boost):
            matches, weight = any(value.startswith(token) for value in fields.tokens(field)), boost
        case Phrase(field=field, tokens=tokens, boost=boost):
            matches, weight = has_phrase(fields.tokens(field), tokens), boost
        case Keyword(field=field, values=values, boost=boost):
            matches, weight = not set(values).isdisjoint(fields.tokens(field)), boost
        case Between(field=field, low=low, high=high, boost=boost):
            number, weight = fields.number(field), boost
            matches = number is not None and (low is None or number >= low) and (high is None or number <= high)
    return [Part(leaf, weight)] if matches else None


def has_phrase(tokens: Sequence[str], phrase: Sequence[str]) -> bool:
    """Tell whether the tokens of a phrase are side by side."""
    length = len(phrase)
    return any(tuple(tokens[start : start + length]) == tuple(phrase) for start in range(len(tokens) - length + 1))
