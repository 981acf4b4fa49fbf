"""The edit distance of tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.index.port import edit_distance, nearest_tokens


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
    assert nearest_tokens("kabau", ["kabar", "kaba", "kabau", "surau", "kabar"], 1) == [
        (0, "kabau"),
        (1, "kaba"),
        (1, "kabar"),
    ]
