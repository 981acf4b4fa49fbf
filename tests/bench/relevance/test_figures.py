"""Relevance figures are computed from the books found and their grades."""

from __future__ import annotations

import math

import pytest

from bench.relevance.figures import ALL, Figure, figures, ndcg, succeeds
from bench.relevance.judging import NOTHING, Judged

GRADES = {1: 3, 2: 2, 3: 1}
BEST = 7 + 3 / math.log2(3) + 1 / math.log2(4)


@pytest.mark.parametrize(
    ("books", "expected"),
    [
        ([1, 2, 3], 1.0),
        ([1, 2, 3, 9], 1.0),
        ([9, 1, 2, 3], (7 / math.log2(3) + 3 / math.log2(4) + 1 / math.log2(5)) / BEST),
        ([1], 7 / BEST),
        ([2], 3 / BEST),
        ([9], 0.0),
        ([], 0.0),
    ],
)
def test_better_books_and_higher_ranks_gain_more(books, expected):
    assert ndcg(books, GRADES) == pytest.approx(expected)


def test_books_beyond_the_depth_do_not_change_the_figure():
    assert ndcg([9] * 10 + [1], GRADES) == 0
    assert ndcg(range(1, 11), dict.fromkeys(range(1, 21), 3)) == 1


@pytest.mark.parametrize(("books", "expected"), [([1, 9], True), ([2, 1], False), ([9], False), ([], False)])
def test_a_search_succeeds_when_its_first_book_has_grade_3(books, expected):
    assert succeeds(books, GRADES) is expected


def test_each_kind_has_a_figure_and_there_is_one_for_all():
    title, subject = Judged("a", "title", True, GRADES), Judged("b", "subject", False, GRADES)
    without_books, with_books = Judged("c", NOTHING, False, {}), Judged("d", NOTHING, False, {5: 1})
    results = figures(
        [(title, [1, 2, 3]), (subject, [9]), (without_books, []), (with_books, [5]), (without_books, [9])]
    )
    assert results["title"] == Figure(1, 1, 1.0, 1.0, None)
    assert results["subject"] == Figure(1, 0, None, 0.0, None)
    assert results[NOTHING] == Figure(3, 0, None, None, pytest.approx(2 / 3))
    assert results[ALL] == Figure(5, 1, 1.0, 0.5, pytest.approx(2 / 3))
