"""A work and its editions, best first, each with its likeness and the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis.branches import split_branch
from chassis.context import Context
from chassis.database.db import Database
from chassis.sentences import LocalText, sentence
from services.catalog import queries
from services.catalog.marc.record import Record as Marc
from services.catalog.record.codes import READER_LANGUAGES
from services.catalog.tables import Record, Work, WorkRuling
from services.catalog.works.likeness import Likeness, compare, compared_record

MOST_EDITIONS = 200
COMPARED = 10  # editions with a shared key; of a large work not all are compared


@dataclass(frozen=True, slots=True)
class Edition:
    """score: likeness to the work, 0 to 100; reasons: strongest first."""

    record: queries.Brief
    score: int
    reasons: tuple[LocalText, ...]


@dataclass(frozen=True, slots=True)
class WorkPage:
    """title, author: those of the earliest edition. editions: at most MOST_EDITIONS, best first."""

    id: UUID
    title: str
    author: str
    editions: list[Edition]


def load_work(
    database: Database, *, context: Context, work_id: UUID, branch: str = "", language: str = "id"
) -> WorkPage:
    """Load a work; for the id of a merged work, load the work that it was merged into.

    branch    "INSTITUTION/BRANCH": editions available there come first, then those available elsewhere
    language  of the reader, "id" or "en"
    raises    NotFound  WORK_NOT_FOUND
    """
    with database.reading(context) as session:
        work_number = queries.work_number(session, work_id)
        own_id = session.scalars(select(Work.id).where(Work.number == work_number)).one()
        rows = session.execute(
            select(Record.number, Record.id, Record.brief, Record.holdings, Record.marc)
            .where(Record.work_number == work_number, Record.deleted_at.is_(None))
            .order_by(Record.number)
            .limit(MOST_EDITIONS)
        ).all()
        rulings = _rulings(session, [row.number for row in rows])
    if not rows:
        raise queries.work_not_found(work_id)
    briefs = {row.number: orjson.loads(row.brief) for row in rows}
    sure = _likeness({row.number: row.marc for row in rows}, rulings)
    editions = {
        row.number: Edition(
            queries.Brief(str(row.id), row.brief, row.holdings), sure[row.number].score, sure[row.number].reasons
        )
        for row in rows
    }
    reader_language = READER_LANGUAGES.get(language, "ind")
    order = sorted(
        editions,
        key=lambda number: sort_editions(
            orjson.loads(editions[number].record.holdings),
            briefs[number],
            number,
            branch=branch,
            language=reader_language,
        ),
    )
    earliest = min(briefs, key=lambda number: (briefs[number].get("year", 9999), number))
    author = next(iter(briefs[earliest].get("authors", ())), "")
    return WorkPage(own_id, briefs[earliest]["title"], author, [editions[number] for number in order])


def sort_editions(
    holdings: Sequence[Mapping[str, Any]], brief: Mapping[str, Any], number: int, *, branch: str, language: str
) -> tuple[int, ...]:
    """Return the sort key of an edition: available (at the branch, elsewhere), reader's language, newest, number."""
    reader_branch = split_branch(branch)
    available = [entry for entry in holdings if entry["available"]]
    available_here = any((entry["institution"], entry["branch"]) == reader_branch for entry in available)
    return (not available_here, not available, brief.get("language") != language, -int(brief.get("year", 0)), number)


def work_of_record(session: Session, record_number: int) -> tuple[str, int]:
    """Return the id of a record's work and its number of records; ("", 0) before the backfill of an older catalogue."""
    row = session.execute(
        select(Work.id, Work.number)
        .join(Record, Record.work_number == Work.number)
        .where(Record.number == record_number)
    ).first()
    if row is None:
        return "", 0
    count = select(func.count()).where(Record.work_number == row.number, Record.deleted_at.is_(None))
    return str(row.id), session.scalar(count) or 0


def _rulings(session: Session, numbers: Sequence[int]) -> dict[int, WorkRuling]:
    """Load the newest ruling on each record."""
    rows = session.scalars(
        select(WorkRuling).where(WorkRuling.record_number.in_(numbers)).order_by(WorkRuling.id)
    ).all()
    for ruling in rows:
        session.expunge(ruling)
    return {ruling.record_number: ruling for ruling in rows}


def _likeness(packed: Mapping[int, bytes], rulings: Mapping[int, WorkRuling]) -> dict[int, Likeness]:
    """Compare each edition with the others. Returns record number -> its greatest likeness."""
    parts = {number: compared_record(Marc.unpack(marc)) for number, marc in packed.items()}
    sharing: dict[int, list[int]] = {}
    for number in parts:
        if number not in rulings:
            for key in parts[number].keys:
                sharing.setdefault(key.number, []).append(number)
    likeness: dict[int, Likeness] = {}
    for number in parts:
        ruling = rulings.get(number)
        if ruling is not None:
            reason = ruling.reason
            text = sentence("LIKENESS_RULED", reason=reason)
            likeness[number] = Likeness(100, (text,))
            continue
        neighbours = {
            neighbour
            for key in parts[number].keys
            for neighbour in sharing[key.number][:COMPARED]
            if neighbour != number
        }
        compared = [compare(parts[number], parts[neighbour]) for neighbour in sorted(neighbours)]
        likeness[number] = max(
            compared, key=lambda result: result.score, default=Likeness(100, (sentence("LIKENESS_ALONE"),))
        )
    return likeness
