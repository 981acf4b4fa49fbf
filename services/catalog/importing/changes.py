"""Changes of records by an import: what it writes, and what records were before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from chassis.database.sql import in_parts, insert_ignore
from services.catalog.importing.decode import IncomingRecord
from services.catalog.tables import EditedRecord, ImportChange, Item, OriginalRecord, Record


@dataclass(slots=True)
class StoredRecord:
    """A stored record, and whether this run has read it.

    fingerprint   of the record; of a record that is edited here, what imports last brought
    is_deleted    a dry run has deleted it
    is_edited     its library edits it here, so an import does not replace or delete it
    """

    number: int
    id: UUID
    fingerprint: bytes
    version: int
    index_changes: int
    in_this_run: bool
    is_deleted: bool = False
    is_edited: bool = False


@dataclass(frozen=True, slots=True)
class RecordChange:
    """A record to write: a new record or a new version."""

    row: StoredRecord
    key: str
    incoming: IncomingRecord
    version: int
    fresh: bool


def remember(
    session: Session, run: int, changed: Sequence[int], offered: Sequence[int] = (), deleted: Sequence[int] = ()
) -> None:
    """Store what records are before a run changes, deletes or makes offers for them, so that it can be undone.

    The first state of a run stays, with the version of a later deletion. The arguments are numbers of records.
    """
    columns = (
        *(Record.number, Record.institution_id, Record.marc, Record.deleted_at, Record.version),
        *(OriginalRecord.format, OriginalRecord.raw, EditedRecord.imported, EditedRecord.offer),
    )
    statement = select(*columns).outerjoin(OriginalRecord, OriginalRecord.record_number == Record.number)
    statement = statement.outerjoin(EditedRecord, EditedRecord.record_number == Record.number)
    offers, gone = set(offered), set(deleted)
    rows = [
        {
            "run": run,
            "record_number": row.number,
            "institution_id": row.institution_id,
            "is_offer": row.number in offers,
            "version": row.version + 1 if row.number in gone else None,
            "before": row.offer if row.number in offers else None if row.deleted_at else row.marc,
            "imported": row.imported,
            "format": row.format,
            "raw": row.raw,
        }
        for part in in_parts([*changed, *offered, *deleted])
        for row in session.execute(statement.where(Record.number.in_(part)))
    ]
    insert_ignore(session, ImportChange, rows)
    version = select(Record.version + 1).where(Record.number == ImportChange.record_number).scalar_subquery()
    for part in in_parts(deleted):
        of_part = (ImportChange.run == run, ImportChange.record_number.in_(part))
        of_deleted = update(ImportChange).where(*of_part).values(version=version)
        session.execute(of_deleted.execution_options(synchronize_session=False))


def write_originals(session: Session, institution_id: UUID, changes: Sequence[RecordChange]) -> None:
    """Store the original bytes of repaired records, and delete those of other records."""
    changed = [change.row.number for change in changes if not change.fresh]
    if changed:
        session.execute(delete(OriginalRecord).where(OriginalRecord.record_number.in_(changed)))
    rows = [
        {
            "record_number": change.row.number,
            "institution_id": institution_id,
            "format": change.incoming.original[0],
            "raw": change.incoming.original[1],
        }
        for change in changes
        if change.incoming.original is not None
    ]
    if rows:
        session.execute(insert(OriginalRecord), rows)


def count_items(session: Session, institution_id: UUID | None, changes: Sequence[RecordChange]) -> tuple[int, int]:
    """Count the items of records to write: new ones, and others of changed records.

    An item is new with its record, or when the institution has no item with its barcode.
    """
    items = [(change.fresh, item.barcode) for change in changes for item in change.incoming.items]
    barcodes = sorted({barcode for _, barcode in items if barcode})
    known: set[str | None] = set()
    for part in in_parts(barcodes):
        of_barcodes = (Item.institution_id == institution_id, Item.barcode.in_(part))
        known.update(session.scalars(select(Item.barcode).where(*of_barcodes)))
    created = sum(fresh or (bool(barcode) and barcode not in known) for fresh, barcode in items)
    return created, len(items) - created
