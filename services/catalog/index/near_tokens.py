"""Finds the tokens within a few edits of a token: compares it with all tokens of a set at once, by operations on bits.

An integer has one bit for each token of the set. For each letter of the token, and each place that the letter may have
in another token, a few operations on such integers select the tokens that are still near enough. 20,000 tokens take
half a millisecond; one by one they take 40.
"""

from __future__ import annotations

from collections.abc import Iterable


class _Digits(dict[int, str]):
    """A table for str.translate: 1 for one letter, 0 for all others."""

    def __missing__(self, _letter: int) -> str:
        return "0"


class TokenSet:
    """A set of tokens. 20,000 tokens take half a megabyte, including the masks of look-ups.

    _texts   length -> all tokens of this length in order, without a space
    _counts  length -> their number
    _masks   (place, letter) -> the tokens that have the letter at this place
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        by_length: dict[int, list[str]] = {}
        for token in set(tokens):
            by_length.setdefault(len(token), []).append(token)
        self._texts = {length: "".join(by_length[length]) for length in sorted(by_length)}
        self._counts = {length: len(by_length[length]) for length in self._texts}
        self._masks: dict[tuple[int, str], int] = {}

    def __len__(self) -> int:
        return sum(self._counts.values())

    def nearest(self, token: str, limit: int) -> list[tuple[int, str]]:
        """List the tokens within `limit` edits as (edits, token), nearest first; the token itself has 0.

        Edits are counted as by port.edit_distance.
        """
        near_tokens: list[tuple[int, str]] = []
        cells = self._last_row(token, limit)
        end = len(self)  # position after the bits of one length; the first token has the highest bit
        for length, count in self._counts.items():
            start, text = end - count, self._texts[length]
            nearer = 0
            for edits, bits in enumerate(cells[length] if length < len(cells) else ()):
                of_length = bits >> start & ((1 << count) - 1)
                remaining = of_length & ~nearer
                nearer = of_length
                while remaining:
                    bit = remaining.bit_length() - 1
                    remaining ^= 1 << bit
                    place = (count - 1 - bit) * length
                    near_tokens.append((edits, text[place : place + length]))
            end = start
        return sorted(near_tokens)

    def _last_row(self, token: str, limit: int) -> list[list[int]]:
        """Return [length][edits]: the tokens whose first `length` letters are at most `edits` edits from `token`.

        This is the usual table of edit distances (optimal string alignment), for all tokens at once. Each turn of the
        loop computes the table for one more letter of `token`.
        """
        every = (1 << len(self)) - 1
        levels = range(limit + 1)
        width = min(len(token) + limit, max(self._counts, default=0))
        row_before_last: list[list[int]] = []
        last_row = [[every if length <= edits else 0 for edits in levels] for length in range(width + 1)]
        for row_number, letter in enumerate(token, 1):
            row = [[0] * (limit + 1) for _ in range(width + 1)]
            row[0] = [every if row_number <= edits else 0 for edits in levels]
            for length in range(max(1, row_number - limit), min(row_number + limit, width) + 1):
                diagonal, above, left, cell = last_row[length - 1], last_row[length], row[length - 1], row[length]
                same = self._mask(length - 1, letter) if diagonal[limit] else 0
                swapped = 0
                if row_number > 1 and length > 1 and limit and row_before_last[length - 2][limit - 1]:
                    swapped = self._mask(length - 1, token[row_number - 2]) & self._mask(length - 2, letter)
                cell[0] = diagonal[0] & same
                for edits in levels[1:]:
                    cell[edits] = diagonal[edits] & same | diagonal[edits - 1] | above[edits - 1] | left[edits - 1]
                    if swapped:
                        cell[edits] |= row_before_last[length - 2][edits - 1] & swapped
            row_before_last, last_row = last_row, row
        return last_row

    def _mask(self, place: int, letter: str) -> int:
        """Return the tokens that have the letter at this place."""
        mask = self._masks.get((place, letter))
        if mask is None:
            digits = _Digits({ord(letter): "1"})
            text = "".join(
                self._texts[length][place::length].translate(digits) if length > place else "0" * count
                for length, count in self._counts.items()
            )
            mask = self._masks[place, letter] = int(text or "0", 2)
        return mask
