"""The edit distance of tokens, and the near tokens of a set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.index.near_tokens import TokenSet
from services.catalog.index.port import edit_distance


@pytest.mark.parametrize(
    ("left", "right", "limit", "edits"),
    [
        ("kabau", "kabau", 0, 0),
        ("kabau", "kabao", 1, 1),
        ("kabau", "kabua", 1, 1),
        ("kabau", "kaba", 2, 1),
        ("kabau", "kabauu", 2, 1),
        ("kabau", "akbuau", 2, 2),
        ("kabau", "minang", 2, 3),
        ("abcdef", "abdcfe", 2, 2),
        ("ca", "abc", 3, 3),
        ("", "ab", 2, 2),
    ],
)
def test_edits_count_swaps_once_and_stop_beyond_the_limit(left: str, right: str, limit: int, edits: int) -> None:
    assert edit_distance(left, right, limit) == edits


@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_a_limit_changes_nothing_below_it(left: str, right: str) -> None:
    exact = edit_distance(left, right, 20)
    assert exact == edit_distance(right, left, 20)
    for limit in range(4):
        assert edit_distance(left, right, limit) == min(exact, limit + 1)


def test_the_nearest_come_first() -> None:
    assert TokenSet(["kabar", "kaba", "kabau", "surau", "kabar"]).nearest("kabau", 1) == [
        (0, "kabau"),
        (1, "kaba"),
        (1, "kabar"),
    ]


@pytest.mark.parametrize("tokens", [[], [""], ["a"], ["k" * 64], ["قرآن", "日", "kabau"]])
def test_any_set_may_be_searched(tokens: list[str]) -> None:
    assert TokenSet(tokens).nearest("日", 0) == [(0, token) for token in tokens if token == "日"]


@given(st.sets(st.text("abcقé", max_size=9)), st.text("abcقé", max_size=9), st.integers(0, 3))
def test_near_tokens_are_those_within_the_limit(tokens: set[str], token: str, limit: int) -> None:
    edits = {other: edit_distance(token, other, limit) for other in tokens}
    assert TokenSet(tokens).nearest(token, limit) == sorted((edits[at], at) for at in tokens if edits[at] <= limit)
