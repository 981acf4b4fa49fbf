"""Loads the data of a record page: the display with links to related records, and the holdings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from chassis.branches import split_branch
from chassis.context import Context
from chassis.database.db import Database
from services.catalog import queries
from services.catalog.marc.record import Record as Marc
from services.catalog.marc.record import by_tag
from services.catalog.record.display import display
from services.catalog.record.holdings import sort_holdings
from services.catalog.record.links import control_keys
from services.catalog.tables import Record, Source


@dataclass(frozen=True, slots=True)
class RecordPage:
    """The data of a record page.

    number             records.number
    display, holdings  UTF-8 JSON, ready for the response
    """

    id: UUID
    number: int
    version: int
    display: bytes
    holdings: bytes
    updated_at: datetime
    source: str
    institution: str


def load_record_page(session: Session, record_id: UUID, *, branch: str = "") -> RecordPage:
    """Load a record's full display and holdings.

    branch  "INSTITUTION/BRANCH" to list first among the holdings
    raises  NotFound  RECORD_NOT_FOUND
    """
    row = queries.record(session, record_id)
    record = Marc.unpack(row.marc)
    full = display(record, institution=row.institution, source=row.source)
    _set_record_ids(session, full["relations"], row.source, record)
    return RecordPage(
        id=row.id,
        number=row.number,
        version=row.version,
        display=orjson.dumps(full),
        holdings=sort_holdings(row.holdings, branch) if branch else row.holdings,
        updated_at=row.updated_at,
        source=row.source,
        institution=row.institution,
    )


def load_items(
    database: Database, *, context: Context, record_id: UUID, branch: str = ""
) -> tuple[Row[*tuple[Any, ...]], Sequence[Row[*tuple[Any, ...]]]]:
    """Load the row of a record and its items: items of the reader's branch first, then by branch in shelf order.

    raises  NotFound  RECORD_NOT_FOUND
    """
    with database.reading(context) as session:
        record = queries.record(session, record_id)
        items = queries.items(session, record.number)
    first = split_branch(branch)
    if first is not None:
        items = sorted(items, key=lambda item: (item.institution, item.branch) != first)
    return record, items


def _set_record_ids(session: Session, relations: list[dict[str, Any]], source: str, record: Marc) -> None:
    """Set "id" on each relation whose $w names a record of the same source."""
    tags = by_tag(record.fields)
    keys = {key for relation in relations for key in control_keys(relation.get("control_number", ""), tags)}
    if not keys:
        return
    rows = session.execute(
        select(Record.control_key, Record.id)
        .join(Source, Source.id == Record.source_id)
        .where(Source.code == source, Record.control_key.in_(keys), Record.deleted_at.is_(None))
    )
    ids = {row.control_key: str(row.id) for row in rows}
    for relation in relations:
        for key in control_keys(relation.get("control_number", ""), tags):
            if key in ids:
                relation.setdefault("id", ids[key])
