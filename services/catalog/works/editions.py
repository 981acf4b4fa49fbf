"""A work and its editions, best first, each with how sure it is and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.db import Database
from chassis.sentences import LocalText, sentence
from services.catalog import queries
from services.catalog.items.availability import branch_named
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Record, Work, WorkRuling
from services.catalog.works.likeness import Likeness, compare, parts_of

MOST_EDITIONS = 200
COMPARED = 10  # editions that share a key; of a big work not all are compared
LANGUAGES = {"id": "ind", "en": "eng"}


@dataclass(frozen=True, slots=True)
class Edition:
    """score: how sure it is that it is this work, 0 to 100; reasons: surest first."""

    record: queries.Brief
    score: int
    reasons: tuple[LocalText, ...]


@dataclass(frozen=True, slots=True)
class WorkPage:
    """title, author: of the earliest edition. editions: at most MOST_EDITIONS, best first."""

    id: UUID
    title: str
    author: str
    editions: list[Edition]


def load_work(
    database: Database, *, context: Context, work_id: UUID, branch: str = "", language: str = "id"
) -> WorkPage:
    """A work; the id of one that was merged into another gives the other.

    branch    "INSTITUTION/BRANCH": what can be had there comes first; else what can be had anywhere
    language  of the reader, "id" or "en"
    raises    NotFound  WORK_NOT_FOUND
    """
    with database.reading(context) as session:
        number = queries.work_number(session, work_id)
        own_id = session.scalars(select(Work.id).where(Work.number == number)).one()
        rows = session.execute(
            select(Record.number, Record.id, Record.brief, Record.holdings, Record.marc)
            .where(Record.work_number == number, Record.deleted_at.is_(None))
            .order_by(Record.number)
            .limit(MOST_EDITIONS)
        ).all()
        rulings = _rulings(session, [row.number for row in rows])
    if not rows:
        raise queries.no_work(work_id)
    briefs = {row.number: orjson.loads(row.brief) for row in rows}
    sure = _likeness({row.number: row.marc for row in rows}, rulings)
    editions = {
        row.number: Edition(
            queries.Brief(str(row.id), row.brief, row.holdings), sure[row.number].score, sure[row.number].reasons
        )
        for row in rows
    }
    wanted = LANGUAGES.get(language, "ind")
    order = sorted(
        editions,
        key=lambda each: sort_editions(
            orjson.loads(editions[each].record.holdings), briefs[each], each, branch=branch, language=wanted
        ),
    )
    first = min(briefs, key=lambda each: (briefs[each].get("year", 9999), each))
    author = next(iter(briefs[first].get("authors", ())), "")
    return WorkPage(own_id, briefs[first]["title"], author, [editions[each] for each in order])


def sort_editions(
    holdings: Sequence[Mapping[str, Any]], brief: Mapping[str, Any], number: int, *, branch: str, language: str
) -> tuple[int, ...]:
    """Sorts editions: can be had now (at the reader's branch before elsewhere), reader's language, newest, number."""
    place = branch_named(branch)
    had = [entry for entry in holdings if entry["available"]]
    here = any((entry["institution"], entry["branch"]) == place for entry in had)
    return (
        not here,
        not had,
        brief.get("language") != language,
        -int(brief.get("year", 0)),
        number,
    )


def work_of_record(session: Session, record_number: int) -> tuple[str, int]:
    """Id of a record's work and how many records that has; ("", 0) while the works of an older catalogue are made."""
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
    """The newest ruling on each record."""
    rows = session.scalars(
        select(WorkRuling).where(WorkRuling.record_number.in_(numbers)).order_by(WorkRuling.id)
    ).all()
    for each in rows:
        session.expunge(each)
    return {each.record_number: each for each in rows}


def _likeness(packed: Mapping[int, bytes], rulings: Mapping[int, WorkRuling]) -> dict[int, Likeness]:
    """Each edition beside the edition of the work that it is surest to be of one with."""
    parts = {number: parts_of(Marc.unpack(marc)) for number, marc in packed.items()}
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
        others = {other for key in parts[number].keys for other in sharing[key.number][:COMPARED] if other != number}
        compared = [compare(parts[number], parts[other]) for other in sorted(others)]
        likeness[number] = max(
            compared, key=lambda each: each.score, default=Likeness(100, (sentence("LIKENESS_ALONE"),))
        )
    return likeness
