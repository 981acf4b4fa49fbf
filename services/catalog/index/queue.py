"""The queue between the tables and the index: a row for each record whose document is behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from chassis.sql import insert_for
from services.catalog.index.port import Change
from services.catalog.items.availability import ItemFacts
from services.catalog.marc.record import Record as Marc
from services.catalog.record.index_document import document
from services.catalog.tables import Branch, IndexQueue, Institution, Item, Record

DELETE_AT_ONCE = 1_000


def enqueue(session: Session, changed: Iterable[tuple[int, int]]) -> None:
    """Let the index follow these records: (number, version) each, in the transaction that wrote them."""
    # In one order, so that two writers do not wait for each other.
    rows = [{"record_number": number, "version": version} for number, version in sorted(changed)]
    if not rows:
        return
    put = insert_for(session, IndexQueue)
    newer = put.on_conflict_do_update(
        index_elements=["record_number"],
        set_={"version": put.excluded.version},
        where=IndexQueue.version < put.excluded.version,
    )
    session.execute(newer, rows)


def queued(session: Session, limit: int, *, after: int = 0) -> dict[int, int]:
    """Record number -> version of the next rows, by number, those after one."""
    asked = select(IndexQueue.record_number, IndexQueue.version).where(IndexQueue.record_number > after)
    asked = asked.order_by(IndexQueue.record_number).limit(limit)
    return {row.record_number: row.version for row in session.execute(asked)}


def dequeue(session: Session, done: Sequence[tuple[int, int]]) -> None:
    """Take rows off the queue whose version is still the one that was written to the index."""
    both = tuple_(IndexQueue.record_number, IndexQueue.version)
    for at in range(0, len(done), DELETE_AT_ONCE):
        # Locked in the order in which enqueue() locks, so that neither waits for the other.
        locked = (
            select(IndexQueue.record_number)
            .where(both.in_(done[at : at + DELETE_AT_ONCE]))
            .order_by(IndexQueue.record_number)
            .with_for_update()
        )
        numbers = session.scalars(locked).all()
        session.execute(delete(IndexQueue).where(IndexQueue.record_number.in_(numbers)))


def changes_of(session: Session, versions: dict[int, int]) -> list[Change]:
    """The documents of these records as the tables have them; of a record that is deleted or was never there, none.

    versions  record number -> version, used where there is no record to ask
    """
    if not versions:
        return []
    numbers = list(versions)
    rows = session.execute(
        select(Record.number, Record.version, Record.marc, Record.deleted_at, Record.work_number, Institution.code)
        .join(Institution, Institution.id == Record.institution_id)
        .where(Record.number.in_(numbers))
    ).all()
    items = _items(session, numbers)
    changes = {number: Change(number, version, None) for number, version in versions.items()}
    for number, version, packed, deleted_at, work, institution in rows:
        made = None
        if deleted_at is None:
            record, at = Marc.unpack(packed), items.get(number, ())
            made = document(record, number=number, institution=institution, items=at, work=work)
        changes[number] = Change(number, version, made)
    return list(changes.values())


def _items(session: Session, numbers: Sequence[int]) -> dict[int, list[ItemFacts]]:
    rows = session.execute(
        select(
            Item.record_number,
            Item.barcode,
            Item.call_number,
            Institution.code.label("institution"),
            Branch.code.label("branch"),
            Item.collection,
            Item.material,
            Item.status,
            Item.copy,
        )
        .join(Branch, Branch.id == Item.branch_id)
        .join(Institution, Institution.id == Item.institution_id)
        .where(Item.record_number.in_(numbers))
        .order_by(Item.record_number, Item.position)
    )
    found: dict[int, list[ItemFacts]] = {}
    for number, barcode, call_number, institution, branch, collection, material, status, copy in rows:
        facts = ItemFacts(barcode, call_number, institution, branch, collection, material, status, copy)
        found.setdefault(number, []).append(facts)
    return found
