"""Librarians' rulings on the work of a record; no rule overrides them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.errors import Invalid, NotFound
from chassis.ids import new_id
from services.catalog import queries
from services.catalog.tables import Record, Work, WorkRuling
from services.catalog.works.assignment import MovedRecord, lock_works, new_works, remove_records

LONGEST_REASON = 500


def split_record(session: Session, record_id: UUID, *, reason: str) -> tuple[UUID, list[MovedRecord]]:
    """Move a record out of its work permanently, to a work of its own.

    returns  the new work's id, and every record that moved: records that only this one connected are separated too
    raises   NotFound  RECORD_NOT_FOUND;  Invalid  REASON_OUT_OF_BOUNDS, WORK_OF_ONE
    """
    lock_works(session)
    record = _record(session, record_id, reason)
    editions = select(func.count()).where(
        Record.work_number == record.work_number, Record.deleted_at.is_(None), Record.number != record.number
    )
    if record.work_number is None or not session.scalar(editions):
        raise Invalid("WORK_OF_ONE", record=str(record_id))
    old_work, moved = record.work_number, remove_records(session, [record.number])
    work = new_works(session, 1)[0]
    _rule(session, record, old_work, "apart", reason)
    moved.append(_put(session, record, work))
    return session.scalars(select(Work.id).where(Work.number == work)).one(), moved


def join_work(session: Session, record_id: UUID, work_id: UUID, *, reason: str) -> list[MovedRecord]:
    """Move a record to a work permanently.

    returns  every record that moved; empty if the record was already there; the ruling is stored in any case
    raises   NotFound  RECORD_NOT_FOUND, WORK_NOT_FOUND;  Invalid  REASON_OUT_OF_BOUNDS
    """
    lock_works(session)
    record = _record(session, record_id, reason)
    work = queries.work_number(session, work_id)
    moved = remove_records(session, [record.number])
    _rule(session, record, work, "together", reason)
    return [*moved, _put(session, record, work)]


def _record(session: Session, record_id: UUID, reason: str) -> Record:
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise Invalid("REASON_OUT_OF_BOUNDS", most=LONGEST_REASON)
    statement = select(Record).where(Record.id == record_id, Record.deleted_at.is_(None)).with_for_update()
    row = session.scalars(statement).first()
    if row is None:
        raise NotFound("RECORD_NOT_FOUND", record=str(record_id))
    return row


def _rule(session: Session, record: Record, work: int, ruling: str, reason: str) -> None:
    session.add(
        WorkRuling(
            id=new_id(),
            record_number=record.number,
            work_number=work,
            ruling=ruling,
            reason=reason.strip(),
            made_at=clock.now(),
        )
    )


def _put(session: Session, record: Record, work: int) -> MovedRecord:
    version = record.version + 1
    values = {"work_number": work, "work_keys": None, "version": version}
    session.execute(
        update(Record)
        .where(Record.number == record.number)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return MovedRecord(record.number, version + record.index_changes)
