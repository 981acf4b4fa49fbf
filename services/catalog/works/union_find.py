"""Union-find of one batch: records that share a key, directly or through others, are one work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

FIRST_TEMPORARY = 1 << 62  # temporary numbers of this batch's new works, until all merges are known


@dataclass(slots=True)
class Net:
    """The works of this batch's keys, and their changes.

    works   known key -> work; grows
    fresh   new keys of the batch
    merged  work -> the lower work that it was merged into
    """

    works: dict[int, int] = field(default_factory=dict)
    fresh: list[int] = field(default_factory=list)
    merged: dict[int, int] = field(default_factory=dict)
    _made: int = 0

    def root(self, work: int) -> int:
        """Return the work that this one was merged into, or itself."""
        while (lower := self.merged.get(work)) is not None:
            work = lower
        return work

    def make(self) -> int:
        self._made += 1
        return FIRST_TEMPORARY + self._made

    def add(self, keys: Iterable[int], current: int | None) -> int:
        """Return the work of a record with these keys; works that it connects become one, the lowest.

        current  the work that the record has already
        """
        works, unknown = self.works, []
        roots = set() if current is None else {self.root(current)}
        for key in keys:
            work = works.get(key)
            if work is None:
                unknown.append(key)
            else:
                roots.add(self.root(work))
        lowest = min(roots) if roots else self.make()
        for root in roots:
            if root != lowest:
                self.merged[root] = lowest
        for key in unknown:
            works[key] = lowest
        self.fresh += unknown
        return lowest


def parts(members: Sequence[tuple[int, tuple[int, ...]]]) -> list[list[int]]:
    """Return the connected parts of records, (number, keys) each: lists of numbers, that of the lowest number first."""
    net = Net()
    assigned = [(number, net.add(keys, None)) for number, keys in members]
    values: dict[int, list[int]] = {}
    for number, work in assigned:
        values.setdefault(net.root(work), []).append(number)
    return sorted(values.values(), key=min)


def keys_held(members: Sequence[tuple[int, tuple[int, ...]]]) -> set[int]:
    return {key for _number, keys in members for key in keys}


def numbered(temporary: Iterable[int], numbers: Iterable[int]) -> Mapping[int, int]:
    """Return temporary -> final numbers of the new works that remain."""
    return dict(zip(sorted(temporary), numbers, strict=False))
