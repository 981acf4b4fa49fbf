"""Judged searches are answered at least as well as they once were, and alike on both engines.

The levels are what was reached, rounded down to the hundredth: raise them when search has become better.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.relevance.figures import ALL, figures
from bench.relevance.judging import HALVES, NOTHING, read
from bench.relevance.library import Prepared, prepared

NEAR = 0.02
SUCCESS = {"test": 0.86, "tuning": 0.86}
NDCG = {
    "test": {
        "title": 0.97, "half-remembered": 0.88, "author": 0.98, "name": 0.63, "subject": 0.90, "child": 0.33,
        "typo": 0.89, "old-spelling": 0.63, "number": 1.0, "stem": 0.93, "phrase": 1.0, "operators": 0.78,
        "transliteration": 0.67, ALL: 0.81,
    },
    "tuning": {
        "title": 0.93, "half-remembered": 0.92, "author": 1.0, "name": 0.49, "subject": 0.79, "child": 0.18,
        "typo": 0.91, "old-spelling": 0.61, "number": 1.0, "stem": 0.96, "phrase": 1.0, "operators": 0.84,
        "transliteration": 0.81, ALL: 0.79,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    folder: Path = tmp_path_factory.mktemp("relevance")
    with prepared(folder, f"tantivy:///{folder}/index") as ready:
        yield ready


@pytest.fixture
def cluster(tmp_path: Path, elasticsearch_url: str) -> Iterator[Prepared]:
    with prepared(tmp_path, elasticsearch_url) as ready:
        yield ready


@pytest.mark.parametrize("half", HALVES)
def test_the_level_reached_is_held(embedded: Prepared, half: str) -> None:
    told = figures(embedded.answer(read(HALVES[half])))
    assert (told[ALL].success, told[NOTHING].right) >= (SUCCESS[half], 1.0)
    fallen = {
        kind: figure.ndcg for kind, figure in told.items() if figure.ndcg is not None and figure.ndcg < NDCG[half][kind]
    }
    assert not fallen


def test_both_engines_answer_alike(embedded: Prepared, cluster: Prepared) -> None:
    for path in HALVES.values():
        searches = read(path)
        one, other = figures(embedded.answer(searches)), figures(cluster.answer(searches))
        for kind, figure in one.items():
            for mine, theirs in ((figure.success, other[kind].success), (figure.ndcg, other[kind].ndcg)):
                assert mine == theirs or abs((mine or 0) - (theirs or 0)) <= NEAR, kind
