"""Computes relevance figures from results and judgements: success@1 and nDCG@10. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.relevance.judging import KINDS, NOTHING, Judged

DEPTH = 10
ALL = "all"


def ndcg(books: Sequence[int], grades: Mapping[int, int], depth: int = DEPTH) -> float:
    """Return the discounted gain of the first `depth` books relative to the best possible one: 0 to 1.

    A book of grade g at rank n gains (2^g - 1) / log2(n + 1) (Järvelin and Kekäläinen 2002, as used at TREC).
    """
    best = _gained(sorted(grades.values(), reverse=True)[:depth])
    return _gained([grades.get(book, 0) for book in books[:depth]]) / best if best else 0.0


def _gained(grades: Iterable[int]) -> float:
    return sum((2**grade - 1) / math.log2(place + 1) for place, grade in enumerate(grades, 1))


def succeeds(books: Sequence[int], grades: Mapping[int, int]) -> bool:
    """Return True when the first book has grade 3."""
    return bool(books) and grades.get(books[0]) == 3


@dataclass(frozen=True, slots=True)
class Figure:
    """Figures of one kind of search, or of all.

    searches  number of searches
    known     number of searches for one certain work
    success   share of the known searches whose first book is right; None without any
    ndcg      mean nDCG@10 of the searches of all kinds but NOTHING; None without any
    right     share of the NOTHING searches that found only graded books or none; None without any
    """

    searches: int
    known: int
    success: float | None
    ndcg: float | None
    right: float | None


def figures(answers: Sequence[tuple[Judged, Sequence[int]]]) -> dict[str, Figure]:
    """Return kind -> figure in the order of KINDS, then ALL. `answers` are searches with the books that they found."""
    kinds = {kind: [answer for answer in answers if answer[0].kind == kind] for kind in KINDS}
    return {kind: _figure(kind_answers) for kind, kind_answers in kinds.items() if kind_answers} | {
        ALL: _figure(answers)
    }


def _figure(answers: Sequence[tuple[Judged, Sequence[int]]]) -> Figure:
    successes = [succeeds(books, search.grades) for search, books in answers if search.known]
    gains = [ndcg(books, search.grades) for search, books in answers if search.kind != NOTHING]
    empty_searches = [set(books[:DEPTH]) <= search.grades.keys() for search, books in answers if search.kind == NOTHING]
    return Figure(len(answers), len(successes), _mean(successes), _mean(gains), _mean(empty_searches))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
