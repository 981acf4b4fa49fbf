"""Copies of the catalogue's items, found by id or barcode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.sql import insert_for
from chassis.service import Resources
from rangkiang.catalog.v1.events_pb2 import ItemCopy
from services.circulation.rules import REPETITION
from services.circulation.tables import Copy

IN, ON_LOAN, TRANSIT = "in", "on_loan", "transit"
IN_SERVICE = "in_service"
RESTORE = system("restore")
MOST_ACTS_SINCE_BACKUP = 100_000  # of one copy

_NEW: dict[str, Any] = {
    "state": IN,
    "state_version": 0,
    "transit_to": None,
    "act": "",
    "act_at": None,
    "act_branch_id": None,
    "act_loan_id": None,
}


# Rows of Core, built once: an object of the ORM takes three times as long, and acts at a desk read one each.
_copies: Any = Copy.__table__
_OF_INSTITUTION = select(_copies).where(_copies.c.institution_id == bindparam("institution_id"))
_BY_ID = _OF_INSTITUTION.where(_copies.c.id == bindparam("item_id"))
_BY_BARCODE = _OF_INSTITUTION.where(_copies.c.barcode == bindparam("barcode"), ~_copies.c.is_gone).limit(2)
# An item that was deleted from the catalogue can be found only by its barcode, also for a second scan of its return.
_GONE = (
    _OF_INSTITUTION.where(_copies.c.barcode == bindparam("barcode"), _copies.c.is_gone)
    .where(or_(_copies.c.state != IN, _copies.c.act_at > bindparam("since")))
    .limit(2)
)
_LOCKED = {statement: statement.with_for_update() for statement in (_BY_ID, _BY_BARCODE, _GONE)}


def is_empty(session: Session) -> bool:
    """Return whether no item has been copied yet."""
    return session.scalar(select(Copy.id).limit(1)) is None


def copy_items(session: Session, items: Iterable[ItemCopy]) -> int:
    """Store items; the same or a newer version in the table stays. Returns the number of items.

    The circulation state of a copy does not change, even when its item is deleted or added again.
    """
    rows = [_row(item) for item in items]
    if rows:
        insert = insert_for(session, Copy)
        columns = {name: insert.excluded[name] for name in rows[0] if name not in _NEW and name != "id"}
        statement = insert.on_conflict_do_update(
            index_elements=["id"], set_=columns, where=Copy.version < insert.excluded.version
        )
        # On the connection, because the session would build one statement with every row.
        session.connection().execute(statement, rows)
    return len(rows)


def renumber_states(resources: Resources) -> None:
    """After a restore, give every copy a version above those that other services got before the restore.

    Otherwise they would ignore the restored states, and the next acts, as older than what they have.
    """
    with resources.database.transaction(RESTORE) as session:
        session.execute(update(Copy).values(state_version=Copy.state_version + MOST_ACTS_SINCE_BACKUP))


def find_copy(session: Session, institution_id: UUID, text: str, *, lock: bool = False) -> Copy | None:
    """Return the row of a copy by its id or barcode, in one institution; None when none or several have the barcode.

    A deleted item that is on loan or in transit is also found by its barcode, if no other item has this barcode.

    lock  on PostgreSQL, lock the row until the end of the transaction; on SQLite a transaction locks the database
    """
    item_id = read_id(text)
    values: dict[str, Any] = {"institution_id": institution_id, "item_id": item_id, "barcode": text}
    statement = _BY_BARCODE if item_id is None else _BY_ID
    copies: Any = session.connection().execute(_LOCKED[statement] if lock else statement, values).all()
    if not copies and item_id is None:
        values["since"] = clock.now() - REPETITION
        copies = session.connection().execute(_LOCKED[_GONE] if lock else _GONE, values).all()
    return copies[0] if len(copies) == 1 else None


def read_id(text: str) -> UUID | None:
    """Return the UUID of a text with 36 characters; None for a scanned number."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def _row(item: ItemCopy) -> dict[str, Any]:
    return {
        "id": UUID(item.id),
        "institution_id": UUID(item.institution_id),
        "version": item.version,
        "barcode": item.barcode,
        "record_id": read_id(item.record_id),
        "title": item.title,
        "call_number": item.call_number,
        "enumeration": item.enumeration,
        "branch_id": read_id(item.branch_id),
        "collection": item.collection,
        "room": item.room,
        "status": item.status,
        "ddc_class": getattr(item, "class"),
        "language": item.language,
        "audience": item.audience,
        "year": item.year,
        "is_gone": item.gone,
        **_NEW,
    }
