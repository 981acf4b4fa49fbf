"""Builds the documents of the index from the tables."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.catalog.index.port import Change
from services.catalog.items.lending import load_items
from services.catalog.marc.record import Record as Marc
from services.catalog.record.index_document import document
from services.catalog.tables import Institution, Record


def load_changes(session: Session, versions: dict[int, int]) -> list[Change]:
    """Build the documents of these records from the tables; None for a record that is deleted or unknown.

    versions  record number -> version, used where there is no record
    """
    if not versions:
        return []
    numbers = list(versions)
    rows = session.execute(
        select(
            Record.number,
            Record.version + Record.index_changes,
            Record.marc,
            Record.deleted_at,
            Record.work_number,
            Institution.code,
        )
        .join(Institution, Institution.id == Record.institution_id)
        .where(Record.number.in_(numbers))
    ).all()
    items = load_items(session, numbers)
    changes = {number: Change(number, version, None) for number, version in versions.items()}
    for number, version, packed, deleted_at, work, institution in rows:
        content = None
        if deleted_at is None:
            record, record_items = Marc.unpack(packed), items.get(number, ())
            content = document(record, number=number, institution=institution, items=record_items, work=work)
        changes[number] = Change(number, version, content)
    return list(changes.values())
