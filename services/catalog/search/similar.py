"""Similar records: records that share subjects, authors, series or classes; rare values have more weight."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from chassis.context import Context
from chassis.database.db import Database
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
MOST_HEADINGS = 12  # of one kind; more would make every record similar
MOST_EDITIONS = 30  # extra hits, because some are editions of the same work
# The weight of a shared heading, multiplied by its rarity. A subject describes a book best; other books of the author
# or the series may have other subjects. Records that share a class share its broader classes too, and the weights add
# up.
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
    """id: as text; brief, holdings: UTF-8 JSON; reason: the shared headings with the greatest weight."""

    id: str
    brief: bytes
    holdings: bytes
    reason: LocalText


def similar(
    database: Database, index: Index, *, context: Context, record_id: UUID, limit: int = 0
) -> list[SimilarRecord]:
    """Find similar records, the most similar first: one record of each work, and none of the record's own work.

    limit   1 to 20; 0 for 6
    raises  NotFound     RECORD_NOT_FOUND
            Invalid      LIMIT_OUT_OF_BOUNDS
            Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    size = validation.allowed_limit(limit, usual=USUAL, most=MOST)
    context.check_deadline()
    with database.reading(context) as session:
        number = queries.record(session, record_id).number
        own_marc, work = queries.marc_and_work(session, [number])[number]
    weights = _weights(index, {kind: values[:MOST_HEADINGS] for kind, values in _headings(own_marc).items()})
    if not weights:
        return []
    match = Not(
        Or(tuple(Keyword(FACET_FIELDS[kind], (value,), weight) for (kind, value), weight in weights.items())),
        (Between("number", number, number),),
    )
    numbers = index.search(Request(match, limit=size + MOST_EDITIONS)).numbers
    with database.reading(context) as session:
        marc_and_works = queries.marc_and_work(session, numbers)
    candidates = _one_per_work(
        [candidate for candidate in numbers if candidate in marc_and_works], marc_and_works, work
    )
    candidates_with_reason = (
        (candidate, reason)
        for candidate in candidates
        if (reason := _reason(marc_and_works[candidate][0], weights)) is not None
    )
    reasons = dict(islice(candidates_with_reason, size))
    briefs = queries.briefs(database, list(reasons))
    return [
        SimilarRecord(row.id, row.brief, row.holdings, reason)
        for candidate, reason in reasons.items()
        if (row := briefs.get(candidate)) is not None
    ]


def _one_per_work(
    numbers: Sequence[int], marc_and_works: Mapping[int, tuple[bytes, int | None]], work: int | None
) -> list[int]:
    """List the first record of each work except `work`, and every record without a work."""
    works: set[int | None] = {work}
    first_records = []
    for number in numbers:
        record_work = marc_and_works[number][1]
        if record_work is None or record_work not in works:
            first_records.append(number)
            works.add(record_work)
    return first_records


def _headings(packed: bytes) -> dict[str, tuple[str, ...]]:
    index_document = document(Record.unpack(packed), number=1, institution="")
    return {kind: tuple(value for value in index_document.facets[kind] if value != NONE) for kind in WEIGHTS}


def _weights(index: Index, headings: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], float]:
    """Return (kind, value) -> weight, the heaviest first, for values that other records have too."""
    total = index.count()
    weights = {}
    for kind, values in headings.items():
        if not values:
            continue
        match: Match = Keyword(FACET_FIELDS[kind], tuple(values))
        request = Request(match, filters={kind: tuple(values)}, facets=(kind,), facet_size=1, limit=0)
        for value, count in index.search(request).facets[kind]:
            if value in values and count > 1:
                weights[kind, value] = round(WEIGHTS[kind] * math.log1p(total / count), 4)
    return dict(sorted(weights.items(), key=lambda pair: (-pair[1], pair[0])))


def _reason(packed: bytes, weights: Mapping[tuple[str, str], float]) -> LocalText | None:
    """Name the shared headings of the kind with the greatest total weight.

    returns  None when the records share no heading: the record has changed since it was indexed
    """
    headings = _headings(packed)
    shared_weights = {heading: weight for heading, weight in weights.items() if heading[1] in headings[heading[0]]}
    if not shared_weights:
        return None
    kinds = {kind for kind, _value in shared_weights}
    best_kind = max(
        sorted(kinds),
        key=lambda kind: sum(weight for other_kind, weight in shared_weights.items() if other_kind[0] == kind),
    )
    values = [value for kind, value in shared_weights if kind == best_kind]
    # Only the class is named, not its broader classes.
    values = [notation(max(values, key=len))] if best_kind == "class" else values[:_MOST_NAMED]
    return sentence(REASONS[best_kind], values="; ".join(values))
