"""A query becomes what the index is asked: matches.py says what can be asked, weights.py what counts, asking.py how."""

from __future__ import annotations

from services.catalog.ranking.asking import match_of, rank
from services.catalog.ranking.matches import (
    All,
    Any,
    Best,
    Between,
    But,
    Fuzzy,
    Keyword,
    Match,
    Phrase,
    Prefer,
    Prefix,
    Term,
    scaled,
)
from services.catalog.ranking.weights import PREFIX_LENGTH

__all__ = [
    "PREFIX_LENGTH",
    "All",
    "Any",
    "Best",
    "Between",
    "But",
    "Fuzzy",
    "Keyword",
    "Match",
    "Phrase",
    "Prefer",
    "Prefix",
    "Term",
    "match_of",
    "rank",
    "scaled",
]
