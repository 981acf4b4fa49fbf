"""Availability of many records at once by branch, by id or by ISBN."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence, Set
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.branches import full_code
from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Invalid, Refusal
from chassis.ids import parse_or_nil
from services.catalog.analysis import isbn13
from services.catalog.index.matches import Keyword
from services.catalog.index.port import Index, Request
from services.catalog.items.lending import load_items
from services.catalog.marc.record import Record as Marc
from services.catalog.marc.record import by_tag
from services.catalog.queries import IS_NO_SANDBOX
from services.catalog.record.brief import all_isbns
from services.catalog.record.holdings import AVAILABILITIES, ItemFacts, availability_of
from services.catalog.tables import Institution, Record

MOST_REQUESTED = 200
MOST_RECORDS = 2_000  # with the ISBNs of a request
MOST_REFUSALS = 20


class BranchAvailability(NamedTuple):
    """Availability of a record's items at a branch, without withdrawn ones.

    branch     full code
    available  number of items that can be borrowed now
    answer     one of record.holdings.AVAILABILITIES, the best of the items
    due_on     earliest known due date of its lent items, ISO 8601; "" without one
    """

    branch: str
    items: int
    available: int
    answer: str
    due_on: str


class RecordAvailability(NamedTuple):
    id: UUID
    branches: Sequence[BranchAvailability]


class Result(NamedTuple):
    """status: "found", "not_found" or "deleted"."""

    requested: str
    status: str
    records: Sequence[RecordAvailability] = ()


def load_availability(
    database: Database, index: Index, *, context: Context, ids: Sequence[str], isbns: Sequence[str]
) -> list[Result]:
    """Load the availability of records by ids and by ISBNs: one result for each, in this order.

    The index finds the records with an ISBN, besides those whose first ISBN it is; tables decide everything else.

    raises  Invalid      AVAILABILITY_TOO_MANY, ID_NOT_READABLE, ISBN_INVALID, ISBN_TOO_FREQUENT,
                         ISBNS_TOO_FREQUENT
            Unavailable  SEARCH_UNAVAILABLE, only with ISBNs
    """
    if len(ids) + len(isbns) > MOST_REQUESTED:
        raise Invalid("AVAILABILITY_TOO_MANY", most=MOST_REQUESTED, given=len(ids) + len(isbns))
    uuids = [parse_or_nil(record_id) for record_id in ids]
    numbers = [isbn13(isbn) or "" for isbn in isbns]
    invalid = [
        Refusal("ID_NOT_READABLE", field=f"/ids/{at}", given=ids[at]) for at, uuid in enumerate(uuids) if not uuid.int
    ]
    invalid += [
        Refusal("ISBN_INVALID", field=f"/isbns/{at}", isbn=isbns[at]) for at, isbn in enumerate(numbers) if not isbn
    ]
    if invalid:
        raise Invalid(refusals=invalid[:MOST_REFUSALS])
    candidates = _search(index, numbers)
    with database.reading(context) as session:
        deleted, by_id = _by_id(session, set(uuids))
        by_isbn = _by_isbn(session, set(numbers), candidates)
        _limit(sum(len(by_isbn.get(isbn, ())) for isbn in numbers))
        record_ids = {**{number: record_id for record_id, number in by_id.items()}, **_ids(by_isbn)}
        items = load_items(session, list(record_ids))
    records = {
        number: RecordAvailability(record_id, _branches(items.get(number, ())))
        for number, record_id in record_ids.items()
    }
    results = []
    for text, record_id in zip(ids, uuids, strict=True):
        if record_id in by_id:
            results.append(Result(text, "found", [records[by_id[record_id]]]))
        else:
            results.append(Result(text, "deleted" if record_id in deleted else "not_found"))
    for text, isbn in zip(isbns, numbers, strict=True):
        of_isbn = [records[number] for number in sorted(by_isbn.get(isbn, {}))]
        results.append(Result(text, "found" if of_isbn else "not_found", of_isbn))
    return results


def _search(index: Index, isbns: Sequence[str]) -> Sequence[int]:
    """Return numbers of the records that have one of these ISBNs in the index.

    raises  Invalid  ISBN_TOO_FREQUENT, ISBNS_TOO_FREQUENT
    """
    if not isbns:
        return ()
    hits = index.search(Request(Keyword("isbn", tuple(dict.fromkeys(isbns))), sort="title", limit=MOST_RECORDS))
    if hits.total > MOST_RECORDS:
        counts = index.count_values("isbn", isbns)
        at = max(range(len(isbns)), key=lambda at: counts.get(isbns[at], 0))
        if (records := counts.get(isbns[at], 0)) > MOST_RECORDS:
            facts = {"isbn": isbns[at], "records": records, "most": MOST_RECORDS}
            raise Invalid("ISBN_TOO_FREQUENT", field=f"/isbns/{at}", **facts)
    _limit(hits.total)
    return hits.numbers


def _limit(records: int) -> None:
    """Refuse ISBNs that together have too many records. A record counts for each ISBN that is given again."""
    if records > MOST_RECORDS:
        raise Invalid("ISBNS_TOO_FREQUENT", field="/isbns", records=records, most=MOST_RECORDS)


def _by_id(session: Session, ids: Collection[UUID]) -> tuple[set[UUID], dict[UUID, int]]:
    """Return the ids of deleted records, and id -> number of the others."""
    columns = select(Record.id, Record.number, Record.deleted_at)
    rows = session.execute(
        columns.join(Institution, Institution.id == Record.institution_id).where(Record.id.in_(ids), IS_NO_SANDBOX)
    ).all()
    deleted = {row.id for row in rows if row.deleted_at is not None}
    return deleted, {row.id: row.number for row in rows if row.id not in deleted}


def _by_isbn(session: Session, isbns: Set[str], candidates: Sequence[int]) -> dict[str, dict[int, UUID]]:
    """Return ISBN -> number -> id of its records, of which the index knows the candidates, and tables a first ISBN."""
    if not isbns:
        return {}
    columns = select(Record.number, Record.id, Record.marc).where(Record.deleted_at.is_(None))
    first = columns.where(Record.standard_number.in_(map(int, isbns))).limit(MOST_RECORDS)
    rows = {row.number: row for row in session.execute(first)}
    others = [number for number in candidates if number not in rows]
    rows |= {row.number: row for row in session.execute(columns.where(Record.number.in_(others)))}
    records: dict[str, dict[int, UUID]] = defaultdict(dict)
    for row in rows.values():
        for isbn in isbns & set(all_isbns(by_tag(Marc.unpack(row.marc).fields))):
            records[isbn][row.number] = row.id
    return records


def _ids(by_isbn: dict[str, dict[int, UUID]]) -> dict[int, UUID]:
    return {number: record_id for records in by_isbn.values() for number, record_id in records.items()}


def _branches(items: Sequence[ItemFacts]) -> list[BranchAvailability]:
    in_service = [item for item in items if item.status != "withdrawn"]
    return [
        _at_branch(branch, list(group)) for branch, group in groupby(sorted(in_service, key=_branch_of), key=_branch_of)
    ]


def _branch_of(item: ItemFacts) -> str:
    return full_code(item.institution, item.branch)


def _at_branch(branch: str, items: Sequence[ItemFacts]) -> BranchAvailability:
    answers = [availability_of(item, item.lending) for item in items]
    lent = [item.lending.due_on for item, answer in zip(items, answers, strict=True) if answer == "out_until"]
    return BranchAvailability(
        branch=branch,
        items=len(items),
        available=answers.count("can_be_borrowed"),
        answer=min(answers, key=AVAILABILITIES.index),
        due_on=min(filter(None, lent), default=""),
    )
