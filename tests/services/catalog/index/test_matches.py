"""The match tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

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
    scaled,
)

LEAVES: tuple[Match, ...] = (
    Term("any", "surau", 3.0),
    Prefix("title", "sur", 1.2),
    Phrase("title", ("surau", "kami"), 4.0),
    Keyword("isbn", ("9789794030462",), 60.0),
)


def boosts(node: object) -> Iterator[float]:
    """Yield every boost of a match."""
    if isinstance(node, tuple):
        for part in node:
            yield from boosts(part)
    elif is_dataclass(node):
        for field in fields(node):
            value = getattr(node, field.name)
            yield from (value,) if field.name == "boost" else boosts(value)


def test_scaling_changes_every_boost_and_nothing_else() -> None:
    years = Between("year", 1950, 1960)
    match = Boosted(Not(And((Or(LEAVES), years, DisMax(LEAVES, 0.2))), (Term("any", "baru", 9.0),)), LEAVES)
    part = scaled(match, 0.5)
    halves = tuple(replace(leaf, boost=leaf.boost / 2) for leaf in LEAVES if not isinstance(leaf, Between))
    # An exclusion has no score.
    assert part == Boosted(Not(And((Or(halves), years, DisMax(halves, 0.2))), (Term("any", "baru", 9.0),)), halves)
    assert len(list(boosts(match))) == len(list(boosts(part))) == 14
    assert scaled(part, 2) == match
