"""How sure it is that two records are of one work, and why."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.sentences import LocalText, sentence
from services.catalog.marc.fields import by_tag, pick
from services.catalog.marc.record import Record
from services.catalog.works.keys import Key, keys_of, kind_of
from services.catalog.works.names import author_of, is_generic_title, part_of, title_words

# How sure a shared key makes us, 1 to 100, and the key of its sentence.
EVIDENCE = {
    "title": (95, "LIKENESS_TITLE"),
    "original": (90, "LIKENESS_ORIGINAL"),
    "uniform": (90, "LIKENESS_UNIFORM"),
    "issn": (92, "LIKENESS_ISSN"),
    "isbn": (88, "LIKENESS_ISBN"),
    "anonymous": (75, "LIKENESS_ANONYMOUS"),
}
_ORDER = tuple(EVIDENCE)


@dataclass(frozen=True, slots=True)
class Likeness:
    """score  0 to 100; 0 when nothing speaks for it. reasons  for it, surest first; or, at 0, against it"""

    score: int
    reasons: tuple[LocalText, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is compared of a record."""

    kind: str
    author: str
    title: tuple[str, ...]
    part: str
    keys: tuple[Key, ...]


def parts_of(record: Record) -> Parts:
    """What a comparison needs of a record."""
    tags = by_tag(record.fields)
    field = next(iter(tags.get("245", ())), None)
    title = () if field is None else tuple(title_words(" ".join(pick(field, frozenset("a")))))
    part = "" if field is None else part_of(field)
    keys = tuple(keys_of(record.leader, tags))
    return Parts(kind_of(record.leader, tags), author_of(tags), title, part, keys)


def compare(one: Parts, other: Parts) -> Likeness:
    """How sure it is that they are of one work, from the keys they share; what they share makes each surer."""
    kinds = {key.number: key.kind for key in one.keys}
    shared = {_weaker(kinds[key.number], key.kind) for key in other.keys if key.number in kinds}
    if not shared:
        return Likeness(0, _against(one, other))
    doubt = 1.0
    for kind in shared:
        doubt *= 1 - EVIDENCE[kind][0] / 100
    ordered = sorted(shared, key=_ORDER.index)
    return Likeness(min(99, round(100 * (1 - doubt))), tuple(sentence(EVIDENCE[kind][1]) for kind in ordered))


def _weaker(one: str, other: str) -> str:
    """A title here that is the original title there is known by the latter."""
    return max(one, other, key=_ORDER.index) if {one, other} <= {"title", "original"} else one


def _against(one: Parts, other: Parts) -> tuple[LocalText, ...]:
    against = []
    if one.kind != other.kind:
        against.append(sentence("LIKENESS_OTHER_KIND"))
    if one.author != other.author:
        against.append(sentence("LIKENESS_OTHER_AUTHOR"))
    if one.part != other.part:
        against.append(sentence("LIKENESS_OTHER_PART"))
    if one.title != other.title:
        against.append(sentence("LIKENESS_OTHER_TITLE"))
    elif is_generic_title(one.title):
        against.append(sentence("LIKENESS_GENERIC"))
    return tuple(against)
