"""One record as its page shows it: described, its related records found, its holdings in the reader's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.db import Database
from services.catalog import queries
from services.catalog.items.availability import branch_first, branch_named
from services.catalog.marc.fields import by_tag
from services.catalog.marc.record import Record as Marc
from services.catalog.record.display import display
from services.catalog.record.links import control_keys
from services.catalog.tables import Record, Source


@dataclass(frozen=True, slots=True)
class RecordPage:
    """display, holdings: UTF-8 JSON, ready for an answer; number: records.number."""

    id: UUID
    number: int
    version: int
    display: bytes
    holdings: bytes
    updated_at: datetime
    source: str
    institution: str


def load_record_page(session: Session, record_id: UUID, *, branch: str = "") -> RecordPage:
    """A record's full display and holdings.

    branch  "INSTITUTION/BRANCH", first among the holdings when it is one of them
    raises  NotFound  RECORD_NOT_FOUND
    """
    found = queries.record(session, record_id)
    record = Marc.unpack(found.marc)
    shown = display(record, institution=found.institution, source=found.source)
    _lead(session, shown["relations"], found.source, record)
    return RecordPage(
        id=found.id,
        number=found.number,
        version=found.version,
        display=orjson.dumps(shown),
        holdings=branch_first(found.holdings, branch) if branch else found.holdings,
        updated_at=found.updated_at,
        source=found.source,
        institution=found.institution,
    )


def load_items(
    database: Database, *, context: Context, record_id: UUID, branch: str = ""
) -> tuple[int, Sequence[Row[*tuple[Any, ...]]]]:
    """A record's version and its items: those of the reader's branch first, then by branch, as they stand.

    raises  NotFound  RECORD_NOT_FOUND
    """
    with database.reading(context) as session:
        record = queries.record(session, record_id)
        found = queries.items(session, record.number)
    first = branch_named(branch)
    if first is not None:
        found = sorted(found, key=lambda item: (item.institution, item.branch) != first)
    return record.version, found


def _lead(session: Session, relations: list[dict[str, Any]], source: str, record: Marc) -> None:
    """Give each relation whose $w names a record of the same source that record's id."""
    tags = by_tag(record.fields)
    keys = {key for relation in relations for key in control_keys(relation.get("control_number", ""), tags)}
    if not keys:
        return
    rows = session.execute(
        select(Record.control_key, Record.id)
        .join(Source, Source.id == Record.source_id)
        .where(Source.code == source, Record.control_key.in_(keys), Record.deleted_at.is_(None))
    )
    there = {row.control_key: str(row.id) for row in rows}
    for relation in relations:
        for key in control_keys(relation.get("control_number", ""), tags):
            if key in there:
                relation.setdefault("id", there[key])
