"""How well answers meet their judgements: success@1 and nDCG@10, pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.relevance.judging import KINDS, NOTHING, Judged

DEPTH = 10
ALL = "all"


def ndcg(books: Sequence[int], grades: Mapping[int, int], depth: int = DEPTH) -> float:
    """Discounted gain of the first `depth` books by the best there could be: 0 to 1.

    A book of grade g gains 2^g - 1 (Järvelin and Kekäläinen 2002, as used at TREC), its place n divides by log2(n + 1).
    """
    best = _gained(sorted(grades.values(), reverse=True)[:depth])
    return _gained([grades.get(book, 0) for book in books[:depth]]) / best if best else 0.0


def _gained(grades: Iterable[int]) -> float:
    return sum((2**grade - 1) / math.log2(place + 1) for place, grade in enumerate(grades, 1))


def succeeds(books: Sequence[int], grades: Mapping[int, int]) -> bool:
    """Whether the first book is what was asked for."""
    return bool(books) and grades.get(books[0]) == 3


@dataclass(frozen=True, slots=True)
class Figure:
    """Of one kind of search, or of all.

    searches  how many
    known     of these, how many look for a certain work
    success   share of the known whose first book is right; None without any
    ndcg      mean nDCG@10 of those with something to find; None without any
    right     share of those with nothing to find that found nothing but what was allowed; None without any
    """

    searches: int
    known: int
    success: float | None
    ndcg: float | None
    right: float | None


def figures(answers: Sequence[tuple[Judged, Sequence[int]]]) -> dict[str, Figure]:
    """Kind -> its figure, in the order of KINDS, and ALL at the end. answers: a search and the books it found."""
    kinds = {kind: [each for each in answers if each[0].kind == kind] for kind in KINDS}
    return {kind: _figure(some) for kind, some in kinds.items() if some} | {ALL: _figure(answers)}


def _figure(answers: Sequence[tuple[Judged, Sequence[int]]]) -> Figure:
    known = [succeeds(books, search.grades) for search, books in answers if search.known]
    gained = [ndcg(books, search.grades) for search, books in answers if search.kind != NOTHING]
    silent = [set(books[:DEPTH]) <= search.grades.keys() for search, books in answers if search.kind == NOTHING]
    return Figure(len(answers), len(known), _mean(known), _mean(gained), _mean(silent))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
