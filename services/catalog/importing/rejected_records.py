"""Records that imports have rejected: stores them with reason and bytes, up to a limit a source, and deletes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from chassis.errors import NotFound
from chassis.ids import new_id
from services.catalog.importing.decode import Rejected
from services.catalog.tables import ImportRun, RejectedRecord, Source
from services.catalog.texts import without_controls

MOST_OF_A_SOURCE = 10_000  # rows; the newest stay
LONGEST_DETAIL = 500  # characters
MOST_BYTES = 100_000  # of a record; one in ISO 2709 has at most 99,999


def store(session: Session, rejected: Sequence[Rejected], *, run: int, source_id: UUID, institution_id: UUID) -> None:
    """Store rejected records of a run, and delete the oldest of its source beyond MOST_OF_A_SOURCE."""
    rows = [
        {
            "id": new_id(),
            "institution_id": institution_id,
            "run": run,
            "path": record.path,
            "ordinal": record.ordinal,
            "position": record.position,
            "reason": record.reason,
            "detail": without_controls(record.detail)[:LONGEST_DETAIL],
            "raw": record.raw[:MOST_BYTES],
        }
        for record in rejected
    ]
    session.execute(insert(RejectedRecord), rows)
    runs = select(ImportRun.number).where(ImportRun.source_id == source_id)
    # Ids are UUIDv7, so their order is that of time.
    oldest = (
        select(RejectedRecord.id)
        .where(RejectedRecord.run.in_(runs))
        .order_by(RejectedRecord.id.desc())
        .offset(MOST_OF_A_SOURCE)
    )
    session.execute(
        delete(RejectedRecord)
        .where(RejectedRecord.id.in_(session.scalars(oldest).all()))
        .execution_options(synchronize_session=False)
    )


def forget(session: Session, *, source: str, before: datetime) -> int:
    """Delete the rejected records of imports that began before a time. Returns their number.

    source  code of a source; "" means all
    raises  NotFound  SOURCE_NOT_FOUND
    """
    runs = select(ImportRun.number).where(ImportRun.started_at < before)
    if source:
        source_id = session.scalar(select(Source.id).where(Source.code == source))
        if source_id is None:
            raise NotFound("SOURCE_NOT_FOUND", source=source)
        runs = runs.where(ImportRun.source_id == source_id)
    deleted = session.execute(
        delete(RejectedRecord).where(RejectedRecord.run.in_(runs)).execution_options(synchronize_session=False)
    )
    return int(deleted.rowcount)  # type: ignore[attr-defined]
