"""What imports bring for records that are edited here: it does not replace them, but lies beside them as an offer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, insert, or_, select
from sqlalchemy.orm import Session

from chassis.database.sql import update_many
from chassis.ids import new_id
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import EditedRecord, Item, Record, Source
from services.catalog.tables.institutions import HERE

# Whether imports must not delete a record: its library edits it here, or has items of its own on it.
IS_KEPT = or_(
    exists().where(EditedRecord.record_number == Record.number).correlate(Record),
    exists().where(Source.id == Record.source_id, Source.owner == HERE).correlate(Record),
    exists().where(Item.record_number == Record.number, Item.is_own).correlate(Record),
)


def put_offers(
    session: Session, institution_id: UUID, brought: Mapping[int, tuple[bytes, bytes]], *, at: datetime
) -> dict[int, bytes]:
    """Store offers, which replace earlier ones; the content of the record itself is no offer.

    The caller has locked the source of the records.


    brought  record number -> fingerprint and marc.Record.pack() of what the import brings
    returns  record number -> present content, as packed; without deleted records
    """
    if not brought:
        return {}
    columns = select(Record.number, Record.marc, Record.deleted_at, EditedRecord.record_number.label("edited"))
    columns = columns.outerjoin(EditedRecord, EditedRecord.record_number == Record.number)
    stored = {row.number: row for row in session.execute(columns.where(Record.number.in_(brought)))}
    known, fresh = [], []
    for number, (fingerprint, marc) in brought.items():
        content = Marc.unpack(stored[number].marc)
        is_equal = content.fingerprint() == fingerprint
        offer = (None, None, None) if is_equal else (new_id(), marc, at)
        row = {"record_number": number, "institution_id": institution_id, "imported": fingerprint}
        row |= dict(zip(("offer_id", "offer", "offered_at"), offer, strict=True))
        # A record of a source that belongs to the library has no row before its first edit.
        known.append(row) if stored[number].edited else fresh.append(row | {"history": b"[]"})
    update_many(session, EditedRecord, known, key="record_number")
    if fresh:
        session.execute(insert(EditedRecord), fresh)
    return {number: row.marc for number, row in stored.items() if row.deleted_at is None}
