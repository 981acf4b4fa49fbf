"""Records of an institution that may be the same as one that a cataloguer is about to save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.ids import parse_id
from chassis.sentences import LocalText, sentence
from services.catalog.marc.record import Record as Marc
from services.catalog.marc.record import by_tag
from services.catalog.record.brief import brief
from services.catalog.record.codes import standard_number_of
from services.catalog.tables import Record, WorkKey
from services.catalog.works.likeness import EVIDENCE, compare, compared_record

MOST_COMPARED, MOST_DUPLICATES = 100, 10
# Score from which a record is named.
LEAST_SCORE = 60
# Editions of one work are other records: another ISBN and another year lower the score of a work.
_LOWERED = 25


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A record that may be the same. score: 1 to 99; reasons: what both have in common, then what differs."""

    id: UUID
    score: int
    brief: bytes
    holdings: bytes
    reasons: tuple[LocalText, ...]


def find_duplicates(session: Session, marc: Marc, *, context: Context) -> list[Duplicate]:
    """Find records of the caller's institution that may be the same as `marc`, the likeliest first."""
    compared, number = compared_record(marc), standard_number_of(by_tag(marc.fields))
    of_keys = select(WorkKey.work_number).where(WorkKey.key.in_([key.number for key in compared.keys]))
    same: list[ColumnElement[bool]] = [Record.work_number.in_(of_keys)] if compared.keys else []
    same += [Record.standard_number == number] if number is not None else []
    if not same:
        return []
    columns = (Record.id, Record.marc, Record.brief, Record.holdings, Record.standard_number)
    of_institution = select(*columns).where(
        Record.institution_id == parse_id(context.institution), Record.deleted_at.is_(None), or_(*same)
    )
    # The newest first, because a book is likeliest entered twice within days.
    rows = session.execute(of_institution.order_by(Record.number.desc()).limit(MOST_COMPARED))
    own = brief(marc)
    found = []
    for row in rows:
        likeness = compare(compared, compared_record(Marc.unpack(row.marc)))
        score, reasons = likeness.score, [*likeness.reasons]
        if not score:
            # Another title with the same ISBN is likelier a slip than another book.
            score, reasons = EVIDENCE["isbn"][0], [sentence("LIKENESS_ISBN")]
        differences = _differences(own, orjson.loads(row.brief))
        score -= _LOWERED * len(differences)
        if score >= LEAST_SCORE:
            found.append(Duplicate(row.id, score, row.brief, row.holdings, (*reasons, *differences)))
    return sorted(found, key=lambda duplicate: -duplicate.score)[:MOST_DUPLICATES]


def _differences(left: dict[str, Any], right: dict[str, Any]) -> list[LocalText]:
    """Return in words what two brief records have and what differs."""
    different = {name for name in ("isbn", "year") if left.get(name) and right.get(name) and left[name] != right[name]}
    return [
        *([sentence("DUPLICATE_OTHER_ISBN")] if "isbn" in different else []),
        *([sentence("DUPLICATE_OTHER_YEAR")] if "year" in different else []),
    ]
