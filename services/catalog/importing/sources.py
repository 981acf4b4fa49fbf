"""Sources of records: their institution and their item map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.db import Database
from chassis.errors import NotFound
from services.catalog.importing.backfill import reread_items
from services.catalog.items.item_maps import USUAL, ItemMap, read_map
from services.catalog.tables import Institution, Record, Source


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """A source. item_map: its own map as TOML, "" without one; records: number of records not deleted."""

    code: str
    institution: str
    item_map: str
    records: int


def item_map_of(session: Session, source: str) -> ItemMap:
    """Return the item map of a source: its own, else the usual one; the usual one for a new source.

    raises  Invalid  ITEM_MAP when the stored map is not valid
    """
    text = session.scalar(select(Source.item_map).where(Source.code == source))
    return read_map(text) if text else USUAL


def sources(session: Session) -> list[SourceSummary]:
    """List all sources by code."""
    counted = (
        select(Record.source_id, func.count().label("records"))
        .where(Record.deleted_at.is_(None))
        .group_by(Record.source_id)
        .subquery()
    )
    rows = session.execute(
        select(
            Source.code,
            Institution.code.label("institution"),
            Source.item_map,
            func.coalesce(counted.c.records, 0).label("records"),
        )
        .join(Institution, Institution.id == Source.institution_id)
        .outerjoin(counted, counted.c.source_id == Source.id)
        .order_by(Source.code)
    )
    return [SourceSummary(row.code, row.institution, row.item_map, row.records) for row in rows]


def source(session: Session, code: str) -> SourceSummary:
    """One source.

    raises  NotFound  SOURCE_NOT_FOUND
    """
    summary = next((item for item in sources(session) if item.code == code), None)
    if summary is None:
        raise _source_unknown(code)
    return summary


def set_item_map(
    database: Database, context: Context, *, code: str, text: str, on_progress: Callable[[int], None] = lambda _: None
) -> int:
    """Store an item map for a source ("": the usual one) and read the items of its records again.

    on_progress  is called after each batch with the number of records read
    returns      the number of records whose items changed
    raises       Invalid   ITEM_MAP; then nothing is changed
                 NotFound  SOURCE_NOT_FOUND
    """
    item_map = read_map(text) if text else USUAL
    with database.transaction(context) as session:
        changed = session.execute(update(Source).where(Source.code == code).values(item_map=text).returning(Source.id))
        source_id = changed.scalar()
    if source_id is None:
        raise _source_unknown(code)
    return reread_items(database, context, source_id=source_id, item_map=item_map, on_progress=on_progress)


def _source_unknown(code: str) -> NotFound:
    return NotFound("SOURCE_NOT_FOUND", source=code)
