"""Edit distance of tokens, counted as both engines' automata count it."""

from __future__ import annotations

from collections.abc import Iterable


def edits(left: str, right: str, limit: int) -> int:
    """Count insertions, deletions, substitutions and swaps of neighbours between two tokens; `limit` + 1 for any more.

    A letter is edited once at most (optimal string alignment), as Lucene's and tantivy's Levenshtein automata do it.
    """
    if abs(len(left) - len(right)) > limit or len(set(left) - set(right)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, against in enumerate(right, 1):
            cost = min(above[column] + 1, current[-1] + 1, above[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == against:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        if min(current) > limit and min(above) > limit:
            return limit + 1
        before, above = above, current
    return min(above[-1], limit + 1)


def nearest(token: str, candidates: Iterable[str], limit: int) -> list[tuple[int, str]]:
    """List the candidates within `limit` edits as (edits, candidate), nearest first; the token itself has 0."""
    pairs = ((edits(token, candidate, limit), candidate) for candidate in set(candidates))
    return sorted(pair for pair in pairs if pair[0] <= limit)
