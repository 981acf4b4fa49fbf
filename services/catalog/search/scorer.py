"""What one record's document has of a Match tree, and what each part adds: computed here, whatever engine searched."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from services.catalog.index.matches import (
    And,
    Between,
    Boosted,
    DisMax,
    Keyword,
    Match,
    Not,
    Or,
    Phrase,
    Prefix,
    Term,
)
from services.catalog.index.stored_fields import stored_fields
from services.catalog.record.index_fields import START, Document

Leaf = Term | Prefix | Phrase | Keyword | Between
_K1, _B = 1.2, 0.75  # BM25 as both engines have it


class Part(NamedTuple):
    """A leaf of the tree that the document has, and what it adds to the score."""

    leaf: Leaf
    weight: float


class Fields:
    """A document as the engines keep it, field by field."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._tokens: dict[str, list[str]] = {}

    @cached_property
    def _stored(self) -> dict[str, Any]:
        return stored_fields(self._document)

    def tokens(self, field: str) -> list[str]:
        """Tokens of an analysed field, in order; values of a keyword field."""
        found = self._tokens.get(field)
        if found is None:
            kept = self._stored.get(field, ())
            found = kept.split() if isinstance(kept, str) else list(kept)
            if found and found[0] == START:
                del found[0]
            self._tokens[field] = found
        return found

    def number(self, field: str) -> int | None:
        kept: int | None = self._stored.get(field)
        return kept


# What a Term adds, before its boost.
Rarity = Callable[[Term, Fields], float]


def constant_rarity(_term: Term, _fields: Fields) -> float:
    """Every word alike: where no index says how rare it is."""
    return 5.0


def bm25(documents: int, frequency: Callable[[Term], int], lengths: Callable[[str], float]) -> Rarity:
    """What both engines make of a Term.

    documents  of the index
    frequency  documents that have it
    lengths    mean number of tokens in a field
    """

    def rarity(term: Term, fields: Fields) -> float:
        tokens = fields.tokens(term.field)
        having = min(frequency(term), documents)
        idf = math.log1p((documents - having + 0.5) / (having + 0.5))
        times, length = tokens.count(term.token), (len(tokens) + 1) / max(1.0, lengths(term.field))
        return idf * times * (_K1 + 1) / (times + _K1 * (1 - _B + _B * length))

    return rarity


def weigh(match: Match, fields: Fields, rarity: Rarity) -> list[Part] | None:
    """Each leaf that the document has with what it adds; None when the document does not match."""
    match match:
        case Term() | Prefix() | Phrase() | Keyword() | Between():
            return _weigh_leaf(match, fields, rarity)
        case And(of=parts):
            return _all_parts([weigh(part, fields, rarity) for part in parts])
        case Or(of=parts):
            found = [each for part in parts if (each := weigh(part, fields, rarity)) is not None]
            return _all_parts(found) if found else None
        case DisMax(choices=choices, tie=tie):
            return _best_parts([weigh(choice, fields, rarity) for choice in choices], tie)
        case Not(match=inner, without=without):
            if any(weigh(each, fields, rarity) is not None for each in without):
                return None
            return weigh(inner, fields, rarity)
        case Boosted(match=inner, bonus=bonus):
            needed = weigh(inner, fields, rarity)
            return (
                None if needed is None else _all_parts([needed, *(weigh(each, fields, rarity) or [] for each in bonus)])
            )


def total_weight(parts: Sequence[Part]) -> float:
    return sum(part.weight for part in parts)


def _all_parts(found: Sequence[list[Part] | None]) -> list[Part] | None:
    parts: list[Part] = []
    for each in found:
        if each is None:
            return None
        parts += each
    return parts


def _best_parts(found: Sequence[list[Part] | None], tie: float) -> list[Part] | None:
    there = [each for each in found if each is not None]
    if not there:
        return None
    best = max(range(len(there)), key=lambda at: total_weight(there[at]))
    return [
        part if at == best else Part(part.leaf, part.weight * tie) for at, each in enumerate(there) for part in each
    ]


def _weigh_leaf(leaf: Leaf, fields: Fields, rarity: Rarity) -> list[Part] | None:
    match leaf:
        case Term(field=field, token=token, boost=boost):
            there, weight = token in fields.tokens(field), boost
            return [Part(leaf, weight * rarity(leaf, fields))] if there else None
        case Prefix(field=field, token=token, boost=boost):
            there, weight = any(each.startswith(token) for each in fields.tokens(field)), boost
        case Phrase(field=field, tokens=tokens, boost=boost):
            there, weight = _side_by_side(fields.tokens(field), tokens), boost
        case Keyword(field=field, values=values, boost=boost):
            there, weight = not set(values).isdisjoint(fields.tokens(field)), boost
        case Between(field=field, low=low, high=high):
            number, weight = fields.number(field), 0.0
            there = number is not None and (low is None or number >= low) and (high is None or number <= high)
    return [Part(leaf, weight)] if there else None


def _side_by_side(tokens: Sequence[str], wanted: Sequence[str]) -> bool:
    length = len(wanted)
    return any(tuple(tokens[at : at + length]) == tuple(wanted) for at in range(len(tokens) - length + 1))
