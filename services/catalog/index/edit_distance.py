"""Which tokens are near a misspelt one: edits counted as both engines' automata count them."""

from __future__ import annotations

from collections.abc import Iterable


def edits(one: str, other: str, limit: int) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours between two tokens; `limit` + 1 for any more.

    A letter is edited once at most (optimal string alignment), as Lucene's and tantivy's Levenshtein automata do it.
    """
    if abs(len(one) - len(other)) > limit or len(set(one) - set(other)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        here = [row]
        for column, against in enumerate(other, 1):
            cost = min(above[column] + 1, here[-1] + 1, above[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                cost = min(cost, before[column - 2] + 1)
            here.append(cost)
        if min(here) > limit and min(above) > limit:
            return limit + 1
        before, above = above, here
    return min(above[-1], limit + 1)


def nearest(token: str, candidates: Iterable[str], limit: int) -> list[tuple[int, str]]:
    """Candidates within `limit` edits as (edits, candidate), nearest first; the token itself among them at 0."""
    near = ((edits(token, candidate, limit), candidate) for candidate in set(candidates))
    return sorted(pair for pair in near if pair[0] <= limit)
