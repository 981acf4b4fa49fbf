"""What the index is asked, engine-neutral: a small tree of matches that each engine translates word for word.

Both engines score a Term by BM25 (k1 1.2, b 0.75) over the field's tokens and multiply by its boost; Prefix, Fuzzy,
Phrase and Keyword score a constant. That, the constant first token of every analysed field and one shard make both
editions rank alike.
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
    """Any token beginning so, in an analysed field, or any value in a keyword field; scores `boost`."""

    field: str
    token: str
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """Any token within `distance` edits (transposition counts one), first letter kept; scores `boost`."""

    field: str
    token: str
    distance: int
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Phrase:
    """These tokens side by side in an analysed field; at least one token; scores `boost`, a constant."""

    field: str
    tokens: tuple[str, ...]
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Keyword:
    """Any of these values in a keyword field; scores `boost`, a constant (0 where it only restricts)."""

    field: str
    values: tuple[str, ...]
    boost: float = 0.0


@dataclass(frozen=True, slots=True)
class Between:
    """An integer field from `low` to `high`, both included, None for open; scores 0."""

    field: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class DisMax:
    """The best-scoring choice, plus `tie` × the others: how one word counts that may stand in many fields."""

    choices: tuple[Match, ...]
    tie: float = 0.1


@dataclass(frozen=True, slots=True)
class And:
    """Every one of these; scores add up. Of none: everything, scoring 0."""

    of: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these; scores add up. Of none: nothing."""

    of: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What matches, unless one of `without` does too."""

    match: Match
    without: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Boosted:
    """What matches `match`, and only that; each bonus that matches as well adds its score."""

    match: Match
    bonus: tuple[Match, ...]


Match = Term | Prefix | Fuzzy | Phrase | Keyword | Between | DisMax | And | Or | Not | Boosted


def scaled(match: Match, factor: float) -> Match:
    """The same with this share of every weight."""
    match match:
        case Between():
            return match
        case Term() | Prefix() | Fuzzy() | Phrase() | Keyword():
            return replace(match, boost=match.boost * factor)
        case DisMax(choices=parts):
            return replace(match, choices=tuple(scaled(each, factor) for each in parts))
        case And(of=parts) | Or(of=parts):
            return replace(match, of=tuple(scaled(each, factor) for each in parts))
        case Not(match=inner):
            return replace(match, match=scaled(inner, factor))
        case Boosted(match=inner, bonus=bonus):
            return Boosted(scaled(inner, factor), tuple(scaled(each, factor) for each in bonus))
