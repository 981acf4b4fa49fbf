"""The likeness of two records: how probable it is that they are editions of one work, and why."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.sentences import LocalText, sentence
from services.catalog.marc.record import Record, by_tag
from services.catalog.works.distinctions import title_facts
from services.catalog.works.keys import Key, keys_of, kind_of
from services.catalog.works.names import author_of, is_generic_title

# Kind of a shared key -> its weight, 1 to 100, and the reason of its sentence.
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
    """score: 0 to 100. reasons: why it is one work, strongest first; with score 0, why not."""

    score: int
    reasons: tuple[LocalText, ...]


@dataclass(frozen=True, slots=True)
class ComparedRecord:
    """The data of a record that are compared."""

    kind: str
    author: str
    title: tuple[str, ...]
    part: str
    subtitle: str
    keys: tuple[Key, ...]


def compared_record(record: Record) -> ComparedRecord:
    """Return the data of a record that are compared."""
    tags = by_tag(record.fields)
    field = next(iter(tags.get("245", ())), None)
    author = author_of(tags)
    keys = tuple(keys_of(record.leader, tags))
    if field is None:
        return ComparedRecord(kind_of(record.leader, tags), author, (), "", "", keys)
    facts = title_facts(field, tags, author)
    return ComparedRecord(kind_of(record.leader, tags), author, tuple(facts.title), facts.part, facts.subtitle, keys)


def compare(left: ComparedRecord, right: ComparedRecord) -> Likeness:
    """Compute the likeness of two records from the keys they share; each shared kind increases it."""
    kinds = {key.number: key.kind for key in left.keys}
    shared = {_weaker(kinds[key.number], key.kind) for key in right.keys if key.number in kinds}
    if not shared:
        return Likeness(0, _differences(left, right))
    doubt = 1.0
    for kind in shared:
        doubt *= 1 - EVIDENCE[kind][0] / 100
    ordered = sorted(shared, key=_ORDER.index)
    return Likeness(min(99, round(100 * (1 - doubt))), tuple(sentence(EVIDENCE[kind][1]) for kind in ordered))


def _weaker(left: str, right: str) -> str:
    """Return "original" if the title of one record is the original title of the other; else the kind of `left`."""
    return max(left, right, key=_ORDER.index) if {left, right} <= {"title", "original"} else left


def _differences(left: ComparedRecord, right: ComparedRecord) -> tuple[LocalText, ...]:
    reasons = []
    if left.kind != right.kind:
        reasons.append(sentence("LIKENESS_OTHER_KIND"))
    if left.author != right.author:
        reasons.append(sentence("LIKENESS_OTHER_AUTHOR"))
    if left.part != right.part:
        reasons.append(sentence("LIKENESS_OTHER_PART"))
    if left.title != right.title:
        reasons.append(sentence("LIKENESS_OTHER_TITLE"))
    elif is_generic_title(left.title):
        reasons.append(sentence("LIKENESS_GENERIC"))
    elif left.subtitle != right.subtitle:
        reasons.append(sentence("LIKENESS_OTHER_SUBTITLE"))
    return tuple(reasons)
