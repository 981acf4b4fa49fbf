"""Judged searches keep their recorded relevance, and both engines have similar figures.

The levels are recorded figures, cut after the fourth decimal: one book one rank lower fails. Raise them when
search has become better; lower one only with the reason in the commit (docs/search.md says how to find it).
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from bench.relevance.corrected import Corrected, real_words
from bench.relevance.figures import ALL, figures
from bench.relevance.judging import HALVES, NOTHING, read
from bench.relevance.library import Prepared, prepared
from tests.servers import drop_indices

TOLERANCE = 0.02
SUCCESS = {"test": 0.9846, "tuning": 0.988}
NDCG = {
    "test": {
        # Child was 0.9837 until 2026-11-28, when words in subjects got weight among hits with a part of the words.
        # Half-remembered was 0.994 until the evening of that day, when phrases got related
        # words: further hits after the book that is searched for are in another order.
        # Title was 0.9951, half-remembered 0.9924, subject 0.9662 and all 0.9887 until the night of that day, when
        # words of readers came: in one search of each kind, hits that nobody judged come between.
        "title": 0.9948, "half-remembered": 0.9904, "author": 1.0, "name": 0.9815, "subject": 0.9658, "child": 0.9837,
        "typo": 1.0, "old-spelling": 0.9775, "number": 1.0, "stem": 0.9773, "phrase": 1.0, "operators": 1.0,
        "transliteration": 0.9946, ALL: 0.9883,
    },
    # The stem figure was 0.9942 until 2026-11-27. One search is lower, `penanaman padi`: Pengantar Agronomi comes
    # before Revolusi Sebatang Jerami since that day's change of the search. Which part of the change does it is not
    # known.
    # Subject, child, question, cross-language, minangkabau and all were higher until the harder fourth set became a
    # part of this half. Without it they rose on the same day, but subject fell from 0.9329 to 0.9320 and cross-language
    # from 0.8678 to 0.8672.
    # Subject was 0.9285 and question 0.8886 until 2026-11-28, when words in subjects got weight; question 0.8882
    # and old-spelling 0.9946 until the class table and the vocabulary had 4,300 more pairs of words; subject and
    # cross-language rose here, and question in the fifth and sixth sets.
    # Question was 0.8871 and old-spelling 0.9939 until phrases got related words in the evening of that day; question
    # rose by 0.23 in the fifth set and by 0.15 in the sixth.
    # Child was 0.8877, old-spelling 0.9933, stem 0.9922 and minangkabau 0.9337 until words of readers came in the night
    # of that day. In the eighth to twelfth sets, each judged from the results of all programs before it was read, child
    # and minangkabau rose by 0.05 and more.
    # Question was 0.8949 and child 0.8843 until 2026-11-29, when a year also found the books of that year, and the
    # vocabulary had 2,300 more words; searches by number rose by 0.10 in a set that was judged for that day. Subject
    # was 0.9401 until works got the foreign words of their other titles; cross-language rose.
    "tuning": {
        "title": 0.9979, "half-remembered": 1.0, "author": 1.0, "name": 1.0, "subject": 0.9395, "child": 0.8842,
        "typo": 0.9225, "old-spelling": 0.9926, "number": 1.0, "stem": 0.9911, "phrase": 1.0, "operators": 0.983,
        "transliteration": 1.0, "question": 0.8947, "cross-language": 0.9151, "minangkabau": 0.9319, ALL: 0.9406,
    },
}  # fmt: skip
AIMS = {"success": 0.9, "ndcg": 0.85}  # of the test half; the recorded levels are above them


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, servers: dict[str, str]) -> Iterator[Prepared]:
    name = f"relevance-{uuid4().hex[:12]}"
    try:
        with prepared(tmp_path_factory.mktemp("relevance"), f"{servers['SEARCH_ROOT_URL']}/{name}") as library:
            yield library
    finally:
        drop_indices(name)


def assert_levels(library: Prepared, half: str) -> None:
    """Assert that the figures of a half are not below the recorded levels."""
    results = figures(library.answer(read(HALVES[half])))
    assert results[NOTHING].right == 1.0
    assert (results[ALL].success or 0) >= SUCCESS[half]
    lower = {
        kind: figure.ndcg
        for kind, figure in results.items()
        if figure.ndcg is not None and figure.ndcg < NDCG[half][kind]
    }
    assert not lower


def test_real_words_that_the_sample_lacks_are_hardly_ever_replaced(embedded: Prepared) -> None:
    corrected = Corrected.of(embedded, real_words()[::2])
    assert len(corrected.unknown) > 120
    assert len(corrected.replaced) <= 0.02 * len(corrected.unknown), corrected


@pytest.mark.parametrize("half", HALVES)
def test_relevance_is_not_below_the_recorded_levels(embedded: Prepared, half: str) -> None:
    assert_levels(embedded, half)


@pytest.mark.parametrize("half", HALVES)
def test_relevance_is_not_below_the_recorded_levels_in_the_cluster(cluster: Prepared, half: str) -> None:
    assert_levels(cluster, half)


def test_the_recorded_levels_meet_the_aims() -> None:
    assert SUCCESS["test"] >= AIMS["success"]
    assert NDCG["test"][ALL] >= AIMS["ndcg"]


def test_both_engines_have_similar_figures(embedded: Prepared, cluster: Prepared) -> None:
    for path in HALVES.values():
        searches = read(path)
        embedded_figures, cluster_figures = figures(embedded.answer(searches)), figures(cluster.answer(searches))
        for kind, figure in embedded_figures.items():
            for embedded_value, cluster_value in (
                (figure.success, cluster_figures[kind].success),
                (figure.ndcg, cluster_figures[kind].ndcg),
            ):
                assert (
                    embedded_value == cluster_value or abs((embedded_value or 0) - (cluster_value or 0)) <= TOLERANCE
                ), kind
