"""The queue of labels: items whose label is not printed since they were added, or since what it shows was changed."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import insert_for
from chassis.ids import new_id
from services.catalog.tables import QueuedLabel

# Columns of items that a label shows and that staff change.
SHOWN = frozenset({"barcode", "call_number", "copy", "enumeration"})


def queue_labels(session: Session, item_ids: Iterable[UUID], institution_id: UUID) -> None:
    """Queue labels. One that is in the queue gets a new id, so that a print from before does not take it out."""
    now = clock.now()
    rows = [
        {"id": new_id(), "institution_id": institution_id, "item_id": item_id, "queued_at": now} for item_id in item_ids
    ]
    if rows:
        insert = insert_for(session, QueuedLabel)
        again = {"id": insert.excluded.id, "queued_at": insert.excluded.queued_at}
        session.execute(insert.on_conflict_do_update(index_elements=["item_id"], set_=again), rows)
