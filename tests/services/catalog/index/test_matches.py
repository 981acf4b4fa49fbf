"""Matches as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

from services.catalog.index.matches import (
    And,
    Between,
    Boosted,
    DisMax,
    Fuzzy,
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
    Fuzzy("title", "suraw", 1, 0.5),
    Phrase("title", ("surau", "kami"), 4.0),
    Keyword("isbn", ("9789794030462",), 60.0),
)


def boosts(of: object) -> Iterator[float]:
    """Every weight in a match, whatever holds it."""
    if isinstance(of, tuple):
        for each in of:
            yield from boosts(each)
    elif is_dataclass(of):
        for each in fields(of):
            value = getattr(of, each.name)
            yield from (value,) if each.name == "boost" else boosts(value)


def test_a_share_of_every_weight_and_nothing_else_changes() -> None:
    years = Between("year", 1950, 1960)
    whole = Boosted(Not(And((Or(LEAVES), years, DisMax(LEAVES, 0.2))), (Term("any", "baru", 9.0),)), LEAVES)
    part = scaled(whole, 0.5)
    halves = tuple(replace(each, boost=each.boost / 2) for each in LEAVES if not isinstance(each, Between))
    # What is excluded weighs nothing, whatever it says.
    assert part == Boosted(Not(And((Or(halves), years, DisMax(halves, 0.2))), (Term("any", "baru", 9.0),)), halves)
    assert len(list(boosts(whole))) == len(list(boosts(part))) == 16
    assert scaled(part, 2) == whole
