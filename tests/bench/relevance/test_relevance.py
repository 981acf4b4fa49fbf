"""Judged searches are answered at least as well as they once were, and alike on both engines.

The levels are what was reached, cut after the fourth decimal: a fall by one place of one book shows. Raise them when
search has become better; lower one only with the reason in the commit (docs/search.md says how to find it).
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from bench.relevance.figures import ALL, figures
from bench.relevance.judging import HALVES, NOTHING, read
from bench.relevance.library import Prepared, prepared
from tests.servers import drop_indices

NEAR = 0.02
SUCCESS = {"test": 0.9846, "tuning": 0.9878}
NDCG = {
    "test": {
        "title": 0.9836, "half-remembered": 0.9578, "author": 1.0, "name": 0.9815, "subject": 0.8926,
        "child": 0.6998, "typo": 1.0, "old-spelling": 0.9775, "number": 1.0, "stem": 0.9639, "phrase": 1.0,
        "operators": 0.9893, "transliteration": 0.9601, ALL: 0.9492,
    },
    "tuning": {
        "title": 0.9873, "half-remembered": 0.9866, "author": 1.0, "name": 1.0, "subject": 0.8812, "child": 0.7785,
        "typo": 0.9198, "old-spelling": 0.9722, "number": 1.0, "stem": 0.9822, "phrase": 1.0, "operators": 0.9408,
        "transliteration": 0.9822, ALL: 0.9535,
    },
}  # fmt: skip
AIMS = {"success": 0.9, "ndcg": 0.85}  # of the test half; what is held is above them


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, servers: dict[str, str]) -> Iterator[Prepared]:
    name = f"relevance-{uuid4().hex[:12]}"
    try:
        with prepared(tmp_path_factory.mktemp("relevance"), f"{servers['SEARCH_ROOT_URL']}/{name}") as ready:
            yield ready
    finally:
        drop_indices(name)


def held(library: Prepared, half: str) -> None:
    """Fail where a half is answered less well than it was."""
    told = figures(library.answer(read(HALVES[half])))
    assert told[NOTHING].right == 1.0
    assert (told[ALL].success or 0) >= SUCCESS[half]
    fallen = {
        kind: figure.ndcg for kind, figure in told.items() if figure.ndcg is not None and figure.ndcg < NDCG[half][kind]
    }
    assert not fallen


@pytest.mark.parametrize("half", HALVES)
def test_the_level_reached_is_held(embedded: Prepared, half: str) -> None:
    held(embedded, half)


@pytest.mark.parametrize("half", HALVES)
def test_the_level_reached_is_held_in_the_cluster(cluster: Prepared, half: str) -> None:
    held(cluster, half)


def test_what_is_held_meets_the_aims() -> None:
    assert SUCCESS["test"] >= AIMS["success"]
    assert NDCG["test"][ALL] >= AIMS["ndcg"]


def test_both_engines_answer_alike(embedded: Prepared, cluster: Prepared) -> None:
    for path in HALVES.values():
        searches = read(path)
        one, other = figures(embedded.answer(searches)), figures(cluster.answer(searches))
        for kind, figure in one.items():
            for mine, theirs in ((figure.success, other[kind].success), (figure.ndcg, other[kind].ndcg)):
                assert mine == theirs or abs((mine or 0) - (theirs or 0)) <= NEAR, kind
