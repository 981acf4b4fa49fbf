"""The versions of a record's content. The newest is in the record; each version keeps what was there before it.

A history is a JSON list, the oldest version first: [version, time, actor, act, earlier]. `earlier` is a list of
[start, end, parts]: replaced in the packed content of this version, from the last to the first, they give the content
before it. It is null when there is none, and empty for an act that leaves the content as it is. The newest version has
a digest of its content too: an import of an older release may have replaced the content, and then no version can be
computed from it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from hashlib import blake2b
from itertools import takewhile
from typing import Any

import orjson

from chassis.clock import utc_text
from services.catalog.marc.record import Field, Record, is_control, subfields

MOST_COMPARED = 100_000  # pairs of fields; longer sections are replaced as a whole, because difflib is cubic

Earlier = list[tuple[int, int, list[Any]]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that two records do not share. before, after: the field in one line; "" where the record lacks it."""

    tag: str
    before: str
    after: str

    @property
    def id(self) -> str:
        """Return its name in a choice of differences; the same difference has the same name."""
        return blake2b("\0".join((self.tag, self.before, self.after)).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a record's content.

    made_at      UTC, as text
    actor        id of who made it; "" for what an import brought
    act          "import", "create", "edit", "restore", "take" (of an offer) or "delete"
    differences  to the version before it
    record       its content
    """

    version: int
    made_at: str
    actor: str
    act: str
    differences: list[Difference]
    record: Record


def begin(history: bytes | None, packed: bytes, *, version: int, at: datetime) -> list[Any]:
    """Read the history of this content; one without versions begins with the content that an import brought."""
    return _entries(history, packed) or [[version, utc_text(at), "", "import", None]]


def has_versions(history: bytes | None, packed: bytes) -> bool:
    """Return whether there are versions, and the newest has this content."""
    return bool(_entries(history, packed))


def add(
    history: list[Any], *, version: int, at: datetime, actor: str, act: str, before: bytes | None, after: bytes
) -> bytes:
    """Add a version. before, after: marc.Record.pack() of the content before the act and after it."""
    earlier = None if before is None else _earlier(orjson.loads(after), orjson.loads(before))
    newest = [version, utc_text(at), actor, act, earlier, _digest(after)]
    return orjson.dumps([*(entry[:5] for entry in history), newest])


def versions(history: bytes | None, packed: bytes, *, below: int | None = None) -> Iterator[Version]:
    """Iterate over the versions, the newest first, and compute only those that the caller takes.

    packed  the record's present content; without versions when it is not that of the newest
    below   only versions with a lower number
    """
    content = orjson.loads(packed)
    for version, made_at, actor, act, earlier, *_ in reversed(_entries(history, packed)):
        before = _replaced(content, earlier or [])
        if below is None or version < below:
            differences = [] if earlier is None else differences_of(_record(before), _record(content))
            yield Version(version, made_at, actor, act, differences, _record(content))
        content = before


def _entries(history: bytes | None, packed: bytes) -> list[Any]:
    """Read a history; [] when its newest version has another content."""
    entries: list[Any] = orjson.loads(history) if history else []
    has_other = bool(entries) and len(entries[-1]) > 5 and entries[-1][5] != _digest(packed)
    return [] if has_other else entries


def _digest(packed: bytes) -> str:
    return blake2b(packed, digest_size=8).hexdigest()


def tags_changed_since(history: bytes | None, packed: bytes, version: int) -> list[str]:
    """Return the tags of the fields that versions after this one changed ("leader" for the leader), in order."""
    later = takewhile(lambda made: made.version > version, versions(history, packed))
    return sorted({difference.tag for made in later for difference in made.differences})


def differences_of(left: Record, right: Record) -> list[Difference]:
    """Return the differences of two records, in order; a field that keeps its tag and place is one difference.

    Lengths and addresses in leaders do not count.
    """
    pairs = [pair for _, _, segment in pairs_of(left.fields, right.fields) for pair in segment if pair[0] != pair[1]]
    differences = [Difference((before or after or [""])[0], line_of(before), line_of(after)) for before, after in pairs]
    if _shared_leader(left) != _shared_leader(right):
        differences.insert(0, Difference("leader", left.leader, right.leader))
    return differences


def take_differences(record: Record, other: Record, chosen: Collection[Difference]) -> Record:
    """Return a record with these differences to another one: fields of `other` in place of its own."""
    fields, chosen = list(record.fields), set(chosen)
    for start, end, segment in reversed(pairs_of(record.fields, other.fields)):
        parts = []
        for before, after in segment:
            is_chosen = Difference((before or after or [""])[0], line_of(before), line_of(after)) in chosen
            field = after if is_chosen else before
            parts += [] if field is None else [field]
        fields[start:end] = parts
    leader = record.leader
    if Difference("leader", record.leader, other.leader) in chosen:
        leader = leader[:5] + other.leader[5:9] + leader[9:17] + other.leader[17:20] + leader[20:]
    return Record(leader, fields)


def pairs_of(left: list[Field], right: list[Field]) -> list[tuple[int, int, list[tuple[Field | None, Field | None]]]]:
    """Return the sections that differ: their place in `left`, and (field, field in `right` with its tag) in order."""
    sections = []
    for _, start, end, from_, to in _changes(left, right):
        places: dict[str, deque[int]] = defaultdict(deque)
        for place in range(from_, to):
            places[right[place][0]].append(place)
        segment: list[tuple[Field | None, Field | None]] = []
        for field in left[start:end]:
            of_tag = places[field[0]]
            segment.append((field, right[of_tag.popleft()] if of_tag else None))
        segment += [(None, right[place]) for place in sorted(place for of_tag in places.values() for place in of_tag)]
        sections.append((start, end, segment))
    return sections


def _shared_leader(record: Record) -> tuple[str, str]:
    """Return the positions of the leader that do not depend on how the record is serialised."""
    return record.leader[5:9], record.leader[17:20]


def line_of(field: Field | None) -> str:
    """Write a field in one line for people: `245 10 $aRobohnya surau kami /$cA.A. Navis`; "" for None."""
    if field is None:
        return ""
    if is_control(field):
        return f"{field[0]} {field[1]}"
    text = "".join(f"${code}{value}" if code else value for code, value in subfields(field))
    return f"{field[0]} {field[1].replace(' ', '#')} {text}"


def _earlier(after: list[Any], before: list[Any]) -> Earlier:
    return [(start, end, before[from_:to]) for _, start, end, from_, to in _changes(after, before)]


def _replaced(content: list[Any], earlier: Earlier) -> list[Any]:
    result = list(content)
    for start, end, parts in reversed(earlier):
        result[start:end] = parts
    return result


def _changes(left: list[Any], right: list[Any]) -> list[tuple[str, int, int, int, int]]:
    """Return the opcodes of difflib that change something; fields are compared as a whole."""
    start, end, to = 0, len(left), len(right)
    while start < min(end, to) and left[start] == right[start]:
        start += 1
    while start < min(end, to) and left[end - 1] == right[to - 1]:
        end, to = end - 1, to - 1
    if start == end == to:
        return []
    if (end - start) * (to - start) > MOST_COMPARED:
        return [("replace", start, end, start, to)]
    sides = (left[start:end], right[start:to])
    before, after = ([part if isinstance(part, str) else tuple(part) for part in side] for side in sides)
    opcodes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [
        (code, start + start_, start + end_, start + from_, start + to_)
        for code, start_, end_, from_, to_ in opcodes
        if code != "equal"
    ]


def _record(content: list[Any]) -> Record:
    leader, *fields = content
    return Record(leader, fields)
