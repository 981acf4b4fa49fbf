"""New arrivals: the records whose items came to a branch last."""

from __future__ import annotations

from uuid import UUID

import orjson
from sqlalchemy import Select, select

from chassis.branches import split_branch
from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from services.catalog import queries
from services.catalog.index.port import Index
from services.catalog.record.holdings import sort_holdings
from services.catalog.search.search import search
from services.catalog.tables import Branch, Institution, Item

MOST_ARRIVALS = 20
USUAL_ARRIVALS = 6
LAST_ITEMS = 200  # items that are read; an import may add a hundred thousand
_DAY_MILLISECONDS = 86_400_000


def list_arrivals(
    database: Database, index: Index, *, context: Context, branch: str, limit: int = 0
) -> list[queries.Brief]:
    """List the records of the items that came to a branch last, each once.

    The day of arrival is the day when the catalogue first had the item; its id holds it. Within a day the newest
    publications come first. When a day has more items than LAST_ITEMS, as after an import, that day is left out, and
    the newest publications of the branch fill the list.

    branch  "INSTITUTION/BRANCH"; its holdings come first in each record
    limit   1 to 20; 0 for 6
    raises  Invalid      LIMIT_OUT_OF_BOUNDS
            NotFound     BRANCH_UNKNOWN
            Unavailable  DATABASE_UNAVAILABLE
    """
    if not 0 <= limit <= MOST_ARRIVALS:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_ARRIVALS)
    size = limit or USUAL_ARRIVALS
    days, is_cut = _days_of_records(database, context, branch)
    if is_cut:
        last_day = min(days.values())
        days = {number: day for number, day in days.items() if day > last_day}
    briefs = queries.briefs(database, list(days))
    order = {number: (days[number], _year(brief)) for number, brief in briefs.items()}
    numbers = sorted(briefs, key=order.__getitem__, reverse=True)[:size]
    records = [briefs[number]._replace(holdings=sort_holdings(briefs[number].holdings, branch)) for number in numbers]
    if is_cut and len(records) < size:
        listed_ids = {record.id for record in records}
        newest = search(
            database,
            index,
            context=context,
            filters={"branch": (branch,)},
            sort="year",
            limit=size + len(listed_ids),
            branch=branch,
        )
        records += [queries.Brief(hit.id, hit.brief, hit.holdings) for hit in newest.hits if hit.id not in listed_ids]
    return records[:size]


def arrivals_query(branch_id: UUID, limit: int) -> Select[UUID, int]:
    """Build the query of the last items of a branch, in the order of the table's index items_by_arrival."""
    return (
        select(Item.id, Item.record_number)
        .where(Item.branch_id == branch_id, Item.status == "in_service", Item.is_leaving.is_(False))
        .order_by(Item.id.desc())
        .limit(limit)
    )


def _days_of_records(database: Database, context: Context, branch: str) -> tuple[dict[int, int], bool]:
    """Return record number -> day of its last item at the branch, latest first; and whether more items may follow."""
    codes = split_branch(branch)
    if codes is None:
        raise NotFound("BRANCH_UNKNOWN", given=branch[:80])
    with database.reading(context) as session:
        branch_id = session.scalar(
            select(Branch.id)
            .join(Institution, Institution.id == Branch.institution_id)
            .where(Institution.code == codes[0], Branch.code == codes[1])
        )
        if branch_id is None:
            raise NotFound("BRANCH_UNKNOWN", given=branch[:80])
        rows = session.execute(arrivals_query(branch_id, LAST_ITEMS)).all()
    days: dict[int, int] = {}
    for row in rows:
        days.setdefault(row.record_number, (row.id.int >> 80) // _DAY_MILLISECONDS)
    return days, len(rows) == LAST_ITEMS


def _year(brief: queries.Brief) -> int:
    return int(orjson.loads(brief.brief).get("year") or 0)
