"""The match tree: the conditions and weights of a search, which each engine translates node by node.

Both engines score a Term by BM25 (k1 1.2, b 0.75) over the field's tokens and multiply by its boost; all other leaves
score a constant. Both engines rank alike, because every analysed field begins with the same token and an index has one
shard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Term:
    """A token in an analysed field; BM25 × boost."""

    field: str
    token: str
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Prefix:
    """Any token of an analysed field, or value of a keyword field, that begins with `token`; scores `boost`."""

    field: str
    token: str
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Phrase:
    """These tokens side by side in an analysed field; at least one token; scores `boost`, a constant."""

    field: str
    tokens: tuple[str, ...]
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Pattern:
    """Tokens side by side in an analysed field, at least one of them with `*` (any letters) or `?` (one letter)."""

    field: str
    tokens: tuple[str, ...]
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Near:
    """Tokens side by side, and after them others in an analysed field.

    distance  at most this many tokens from the last of `first` to the first of `second`; 1 for side by side
    """

    field: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    distance: int
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Keyword:
    """Any of these values in a keyword field; scores `boost`, a constant (0 where it only restricts)."""

    field: str
    values: tuple[str, ...]
    boost: float = 0.0


@dataclass(frozen=True, slots=True)
class Between:
    """An integer field from `low` to `high`, both included, None for open; scores `boost` (0: only restricts)."""

    field: str
    low: int | None
    high: int | None
    boost: float = 0.0


@dataclass(frozen=True, slots=True)
class DisMax:
    """The score of the best choice, plus `tie` × the scores of the others."""

    choices: tuple[Match, ...]
    tie: float = 0.1


@dataclass(frozen=True, slots=True)
class And:
    """All of these; scores add up. Without parts: every document, with score 0."""

    of: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these; scores add up. Without parts: no document."""

    of: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Documents that match `match` and none of `without`."""

    match: Match
    without: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Boosted:
    """Documents that match `match`; each bonus that also matches adds its score."""

    match: Match
    bonus: tuple[Match, ...]


Match = Term | Prefix | Phrase | Pattern | Near | Keyword | Between | DisMax | And | Or | Not | Boosted


def scaled(match: Match, factor: float) -> Match:
    """Multiply every boost of a match by a factor."""
    if isinstance(match, Term):  # the most frequent
        return Term(match.field, match.token, match.boost * factor)
    match match:
        case DisMax(choices=parts, tie=tie):
            return DisMax(tuple([scaled(part, factor) for part in parts]), tie)
        case And(of=parts):
            return And(tuple([scaled(part, factor) for part in parts]))
        case Or(of=parts):
            return Or(tuple([scaled(part, factor) for part in parts]))
        case Not(match=inner):
            return replace(match, match=scaled(inner, factor))
        case Boosted(match=inner, bonus=bonus):
            return Boosted(scaled(inner, factor), tuple([scaled(part, factor) for part in bonus]))
    return replace(match, boost=match.boost * factor)


def required(match: Match) -> Match:
    """Leave out the bonuses: the same records match, with other scores."""
    if isinstance(match, Term):  # the most frequent
        return match
    match match:
        case Boosted(match=inner):
            return required(inner)
        case And(of=parts):
            return And(tuple(map(required, parts)))
        case Or(of=parts) | DisMax(choices=parts):
            return Or(tuple(map(required, parts)))
        case Not(match=inner, without=without):
            return Not(required(inner), tuple(map(required, without)))
    return match
