"""The net of records and keys whose connected parts are works, as far as one batch touches it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

COMING = 1 << 62  # works made by this batch are numbered from here until it is known which remain


@dataclass(slots=True)
class Net:
    """Works as the tables have them under this batch's keys, and what the batch makes of them.

    works   key -> work, of those keys that are known; grows
    fresh   keys that the batch brings
    merged  work -> the lower one that it turned out to be
    """

    works: dict[int, int] = field(default_factory=dict)
    fresh: list[int] = field(default_factory=list)
    merged: dict[int, int] = field(default_factory=dict)
    _made: int = 0

    def root(self, work: int) -> int:
        """The work that this one is by now."""
        while (lower := self.merged.get(work)) is not None:
            work = lower
        return work

    def make(self) -> int:
        self._made += 1
        return COMING + self._made

    def add(self, keys: Iterable[int], own: int | None) -> int:
        """The work of a record with these keys; works that it connects become one, the lowest.

        own  the work it is of already
        """
        works, strange = self.works, []
        roots = set() if own is None else {self.root(own)}
        for key in keys:
            work = works.get(key)
            if work is None:
                strange.append(key)
            else:
                roots.add(self.root(work))
        lowest = min(roots) if roots else self.make()
        for other in roots:
            if other != lowest:
                self.merged[other] = lowest
        for key in strange:
            works[key] = lowest
        self.fresh += strange
        return lowest


def parts(members: Sequence[tuple[int, tuple[int, ...]]]) -> list[list[int]]:
    """The connected parts of these records, (number, keys) each: lists of numbers, that of the lowest number first."""
    net = Net()
    of = [(number, net.add(keys, None)) for number, keys in members]
    values: dict[int, list[int]] = {}
    for number, work in of:
        values.setdefault(net.root(work), []).append(number)
    return sorted(values.values(), key=min)


def keys_held(members: Sequence[tuple[int, tuple[int, ...]]]) -> set[int]:
    return {key for _number, keys in members for key in keys}


def numbered(made: Iterable[int], numbers: Iterable[int]) -> Mapping[int, int]:
    """Real numbers for the works that remain of those made."""
    return dict(zip(sorted(made), numbers, strict=False))
