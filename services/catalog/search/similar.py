"""Records like this one: what shares its subjects, authors, series or class, rare ones weighing more; each with why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from chassis.context import Context
from chassis.db import Database
from chassis.sentences import LocalText, sentence
from services.catalog import queries
from services.catalog.index.matches import Between, Keyword, Match, Not, Or
from services.catalog.index.port import Index, Request
from services.catalog.index.stored_fields import FACET_FIELDS
from services.catalog.marc.record import Record
from services.catalog.record.classes import NONE, notation
from services.catalog.record.index_document import document
from services.catalog.search import validation

USUAL, MOST = 6, 20
MOST_HEADINGS = 12  # of a kind that are asked for; who has more is about everything
MOST_EDITIONS = 30  # hits passed over, for they are editions of what is there already
# How much sharing one counts, beside how rare it is: a subject says most of what a book is about; an author's other
# books may be about anything; a publisher's series too; a class has its wider ones beside it, and they add up.
WEIGHTS = {"subject": 1.0, "author": 0.8, "series": 0.5, "class": 0.3}
REASONS = {
    "subject": "SIMILAR_SUBJECT",
    "author": "SIMILAR_AUTHOR",
    "series": "SIMILAR_SERIES",
    "class": "SIMILAR_CLASS",
}
_MOST_NAMED = 2  # values named in a reason


@dataclass(frozen=True, slots=True)
class SimilarRecord:
    """id: as text; brief, holdings: UTF-8 JSON, ready; reason: what it shares that weighs most."""

    id: str
    brief: bytes
    holdings: bytes
    reason: LocalText


def similar(
    database: Database, index: Index, *, context: Context, record_id: UUID, limit: int = 0
) -> list[SimilarRecord]:
    """Records like this one, the likest first; not itself and not its other editions, and of each work one.

    limit   1 to 20; 0 for 6
    raises  NotFound     RECORD_NOT_FOUND
            Invalid      LIMIT_OUT_OF_BOUNDS
            Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    wanted = validation.allowed_limit(limit, usual=USUAL, most=MOST)
    context.check_deadline()
    with database.reading(context) as session:
        number = queries.record(session, record_id).number
        own, work = queries.marc_and_work(session, [number])[number]
    weights = _weights(index, {kind: values[:MOST_HEADINGS] for kind, values in _headings(own).items()})
    if not weights:
        return []
    match = Not(
        Or(tuple(Keyword(FACET_FIELDS[kind], (value,), weight) for (kind, value), weight in weights.items())),
        (Between("number", number, number),),
    )
    numbers = index.search(Request(match, limit=wanted + MOST_EDITIONS)).numbers
    with database.reading(context) as session:
        there = queries.marc_and_work(session, numbers)
    kept = _one_per_work([each for each in numbers if each in there], there, work)
    why = ((each, reason) for each in kept if (reason := _reason(there[each][0], weights)) is not None)
    reasons = dict(islice(why, wanted))
    shown = queries.briefs(database, list(reasons))
    return [
        SimilarRecord(row.id, row.brief, row.holdings, reason)
        for each, reason in reasons.items()
        if (row := shown.get(each)) is not None
    ]


def _one_per_work(numbers: Sequence[int], there: Mapping[int, tuple[bytes, int | None]], work: int | None) -> list[int]:
    """The first record of each work, none of `work`; one that is of no work stands for itself."""
    seen: set[int | None] = {work}
    kept = []
    for number in numbers:
        of = there[number][1]
        if of is None or of not in seen:
            kept.append(number)
            seen.add(of)
    return kept


def _headings(packed: bytes) -> dict[str, tuple[str, ...]]:
    made = document(Record.unpack(packed), number=1, institution="")
    return {kind: tuple(each for each in made.facets[kind] if each != NONE) for kind in WEIGHTS}


def _weights(index: Index, headings: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], float]:
    """(kind, value) -> what sharing it adds to the score; the heaviest first. What nobody else has is left out."""
    every = index.count()
    weights = {}
    for kind, values in headings.items():
        if not values:
            continue
        having: Match = Keyword(FACET_FIELDS[kind], tuple(values))
        request = Request(having, filters={kind: tuple(values)}, facets=(kind,), facet_size=1, limit=0)
        for value, count in index.search(request).facets[kind]:
            if value in values and count > 1:
                weights[kind, value] = round(WEIGHTS[kind] * math.log1p(every / count), 4)
    return dict(sorted(weights.items(), key=lambda pair: (-pair[1], pair[0])))


def _reason(packed: bytes, weights: Mapping[tuple[str, str], float]) -> LocalText | None:
    """What both share: of the kind that adds most in all, its heaviest values.

    None: nothing any more; the record has changed, and the index has not heard of it yet
    """
    theirs = _headings(packed)
    shared = {heading: weight for heading, weight in weights.items() if heading[1] in theirs[heading[0]]}
    if not shared:
        return None
    kinds = {kind for kind, _value in shared}
    best = max(sorted(kinds), key=lambda kind: sum(weight for each, weight in shared.items() if each[0] == kind))
    values = [value for kind, value in shared if kind == best]
    # Of a class and its wider ones, which are shared too, only the class.
    values = [notation(max(values, key=len))] if best == "class" else values[:_MOST_NAMED]
    return sentence(REASONS[best], values="; ".join(values))
