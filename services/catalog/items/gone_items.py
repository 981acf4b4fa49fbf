"""Items that leave the catalogue and come back, with their entries in the accession register."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from chassis.database.sql import in_parts
from services.catalog.tables import Accession, GoneItem, Item

REMOVED_WITH_RECORD = "record"


def remove_items(session: Session, rows: Sequence[dict[str, Any]], *, removal: str, at: datetime) -> None:
    """Move items to the gone items. A removal that the register has already stays.

    rows     columns of GoneItem without gone_at
    removal  for the register: why staff removed them, or REMOVED_WITH_RECORD
    """
    for ids in in_parts([row["id"] for row in rows]):
        session.execute(delete(Item).where(Item.id.in_(ids)).execution_options(synchronize_session=False))
        entries = update(Accession).where(Accession.item_id.in_(ids), Accession.removal == "")
        removed = entries.values(removal=removal, removed_at=at)
        session.execute(removed.execution_options(synchronize_session=False))
    if rows:
        session.execute(insert(GoneItem), [{**row, "gone_at": at} for row in rows])


def take_back(session: Session, item_ids: Collection[UUID]) -> None:
    """Delete gone items that the caller has inserted again; in the register they are no longer removed."""
    record_number = select(Item.record_number).where(Item.id == Accession.item_id).scalar_subquery()
    values = {"removal": "", "removed_at": None, "record_number": record_number}
    for ids in in_parts([*item_ids]):
        session.execute(delete(GoneItem).where(GoneItem.id.in_(ids)).execution_options(synchronize_session=False))
        entries = update(Accession).where(Accession.item_id.in_(ids)).values(values)
        session.execute(entries.execution_options(synchronize_session=False))
