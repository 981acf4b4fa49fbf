"""Telling others of records that moved to another work."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.events import emit
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import RecordsChanged
from services.catalog.tables import Record, Source
from services.catalog.works.assignment import MovedRecord

AT_ONCE = 500


def emit_moved_records(session: Session, moved: Sequence[MovedRecord], *, context: Context) -> None:
    """One fact for at most 500 records of a source.

    emits  RecordsChanged
    """
    for at in range(0, len(moved), AT_ONCE):
        numbers = [each.number for each in moved[at : at + AT_ONCE]]
        rows = session.execute(
            select(Record.id, Record.version, Source.code)
            .join(Source, Source.id == Record.source_id)
            .where(Record.number.in_(numbers))
            .order_by(Record.number)
        ).all()
        for source in sorted({row.code for row in rows}):
            of = [row for row in rows if row.code == source]
            fact = RecordsChanged(
                source=source, record_ids=[str(row.id) for row in of], versions=[row.version for row in of]
            )
            emit(session, fact, aggregate_id=f"works:{new_id()}", version=1, context=context)
