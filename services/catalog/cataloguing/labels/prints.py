"""The queue of labels, and prints: labels printed together, which stay in the queue until staff confirm the print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.branches import full_code
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Invalid, NotFound, Refused
from chassis.ids import new_id, parse_id, parse_or_nil
from services.catalog.cataloguing.labels.pdf import PrintedLabel
from services.catalog.items.branches import find_branch
from services.catalog.record.call_numbers import label_lines
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import Branch, Institution, Item, LabelPrint, QueuedLabel, Record

MOST_PRINTED = 1_000
USUALLY_LISTED, MOST_LISTED = 20, 500


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which labels of the queue. branch: full code, "" for any; since: None for any time."""

    branch: str = ""
    collection: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A label in the queue."""

    item: UUID
    barcode: str
    call_number: str
    title: str
    branch: str
    collection: str
    queued_at: datetime


def list_labels(
    session: Session, conditions: Conditions, *, cursor: str, limit: int, without_total: bool = False, context: Context
) -> tuple[list[Label], str, int]:
    """Return labels of the queue, the oldest first, the cursor of the next page, and the number of all that fit.

    limit   1 to MOST_LISTED; 0 for USUALLY_LISTED
    raises  Invalid  LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID, BRANCH_UNKNOWN
    """
    most = _limit(limit)
    columns = (
        QueuedLabel.id, QueuedLabel.queued_at, Item.id.label("item"), Item.barcode, Item.call_number, Item.collection,
        Item.record_number, Branch.code.label("branch"), Institution.code.label("institution"),
    )  # fmt: skip
    places = (Branch, Branch.id == Item.branch_id), (Institution, Institution.id == Item.institution_id)
    statement = _queued(session, select(*columns), conditions, context)
    total = 0
    if not without_total:
        total = session.scalar(_queued(session, select(func.count()), conditions, context)) or 0
    for place in places:
        statement = statement.join(*place)
    if cursor:
        statement = statement.where(QueuedLabel.id > read_cursor(cursor, "labels", UUID)[0])
    rows = session.execute(statement.order_by(QueuedLabel.id).limit(most + 1)).all()
    titles = _titles(session, rows)
    labels = [
        Label(
            item=row.item, barcode=row.barcode or "", call_number=row.call_number, collection=row.collection,
            title=titles[row.record_number], branch=full_code(row.institution, row.branch),
            queued_at=row.queued_at,
        )
        for row in rows[:most]
    ]  # fmt: skip
    return labels, write_cursor("labels", rows[most - 1].id) if len(rows) > most else "", total


def add_print(session: Session, items: Sequence[str], conditions: Conditions, *, context: Context) -> LabelPrint:
    """Put labels together that are printed at once, in this order.

    items   ids of items, whether or not their labels are in the queue; empty for the first MOST_PRINTED of the queue
            that meet the conditions
    raises  NotFound  ITEM_NOT_FOUND
            Invalid   LABELS_TOO_MANY, BRANCH_UNKNOWN
            Refused   LABELS_NONE
    """
    institution_id = parse_id(context.institution)
    if len(items) > MOST_PRINTED:
        raise Invalid("LABELS_TOO_MANY", given=len(items), most=MOST_PRINTED)
    if items:
        labels = _labels_of(session, items, institution_id)
    else:
        statement = _queued(session, select(Item.id, QueuedLabel.id.label("label")), conditions, context)
        rows = session.execute(statement.order_by(QueuedLabel.id).limit(MOST_PRINTED)).all()
        labels = [(row.id, row.label) for row in rows]
    if not labels:
        raise Refused("LABELS_NONE")
    row = LabelPrint(
        id=new_id(), institution_id=institution_id, labels=orjson.dumps(labels), count=len(labels), made_at=clock.now()
    )
    session.add(row)
    facts = {"count": row.count}
    audit.record(session, context, "catalog.print_labels", kind="label_print", object_id=row.id, facts=facts)
    session.flush()
    return row


def list_prints(session: Session, *, cursor: str, limit: int, context: Context) -> tuple[list[LabelPrint], str]:
    """Return prints, the latest first, and the cursor of the next page.

    limit   1 to MOST_LISTED; 0 for USUALLY_LISTED
    raises  Invalid  LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID
    """
    most = _limit(limit)
    statement = select(LabelPrint).where(LabelPrint.institution_id == parse_id(context.institution))
    if cursor:
        statement = statement.where(LabelPrint.id < read_cursor(cursor, "label_prints", UUID)[0])
    rows = session.scalars(statement.order_by(LabelPrint.id.desc()).limit(most + 1)).all()
    following = write_cursor("label_prints", rows[most - 1].id) if len(rows) > most else ""
    return list(rows[:most]), following


def get_print(session: Session, print_id: str, *, context: Context, lock: bool = False) -> LabelPrint:
    """Return a print of the caller's institution.

    raises  NotFound  LABEL_PRINT_UNKNOWN
    """
    statement = select(LabelPrint).where(
        LabelPrint.id == parse_or_nil(print_id), LabelPrint.institution_id == parse_id(context.institution)
    )
    row = session.scalars(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise NotFound("LABEL_PRINT_UNKNOWN", print=print_id[:64])
    return row


def confirm_print(session: Session, print_id: str, *, context: Context) -> LabelPrint:
    """Take the labels of a print out of the queue. A label that was queued again since the print stays.

    raises  NotFound  LABEL_PRINT_UNKNOWN
    """
    row = get_print(session, print_id, context=context, lock=True)
    if row.confirmed_at is None:
        labels = [UUID(label) for _, label in orjson.loads(row.labels) if label is not None]
        statement = delete(QueuedLabel).where(QueuedLabel.id.in_(labels))
        session.execute(statement.execution_options(synchronize_session=False))
        row.confirmed_at = clock.now()
        audit.record(session, context, "catalog.confirm_labels", kind="label_print", object_id=row.id)
        session.flush()
    return row


def printed_labels(session: Session, print_id: str, *, context: Context) -> list[PrintedLabel]:
    """Return what the labels of a print show now. Items that are gone have none.

    raises  NotFound  LABEL_PRINT_UNKNOWN
            Refused   LABELS_NONE
    """
    row = get_print(session, print_id, context=context)
    order = [UUID(item) for item, _ in orjson.loads(row.labels)]
    columns = (Item.id, Item.barcode, Item.call_number, Item.enumeration, Item.copy, Item.record_number)
    items = {item.id: item for item in session.execute(select(*columns).where(Item.id.in_(order)))}
    titles = _titles(session, items.values())
    library = library_name(session, row.institution_id)
    labels = [
        PrintedLabel(
            library=library,
            title=titles[item.record_number],
            barcode=item.barcode or "",
            spine=label_lines(item.call_number, enumeration=item.enumeration, copy=item.copy),
        )
        for item in (items[item_id] for item_id in order if item_id in items)
    ]
    if not labels:
        raise Refused("LABELS_NONE")
    return labels


def _titles(session: Session, rows: Iterable[Any]) -> dict[int, str]:
    """Return record -> title. The record of many items is read once."""
    of_items = select(Record.number, Record.marc).where(Record.number.in_({row.record_number for row in rows}))
    return {record.number: facts_of_packed(record.marc).title for record in session.execute(of_items)}


def library_name(session: Session, institution_id: UUID) -> str:
    return session.get_one(Institution, institution_id).name_id


def _labels_of(session: Session, items: Sequence[str], institution_id: UUID) -> list[tuple[UUID, UUID | None]]:
    ids = list(dict.fromkeys(map(parse_or_nil, items)))
    statement = select(Item.id, QueuedLabel.id.label("label")).where(
        Item.institution_id == institution_id, Item.id.in_(ids)
    )
    labels = {
        row.id: row.label for row in session.execute(statement.outerjoin(QueuedLabel, QueuedLabel.item_id == Item.id))
    }
    for given, item_id in zip(items, map(parse_or_nil, items), strict=True):
        if item_id not in labels:
            raise NotFound("ITEM_NOT_FOUND", item=given[:64])
    return [(item_id, labels[item_id]) for item_id in ids]


def _queued(session: Session, statement: Any, conditions: Conditions, context: Context) -> Any:
    """Select from the labels in the queue that meet the conditions, and from their items.

    raises  Invalid  BRANCH_UNKNOWN
    """
    institution_id = parse_id(context.institution)
    statement = statement.select_from(QueuedLabel).join(Item, Item.id == QueuedLabel.item_id)
    statement = statement.where(QueuedLabel.institution_id == institution_id)
    if conditions.branch:
        statement = statement.where(Item.branch_id == find_branch(session, conditions.branch, institution_id))
    if conditions.collection:
        statement = statement.where(Item.collection == conditions.collection)
    if conditions.since is not None:
        statement = statement.where(QueuedLabel.queued_at >= conditions.since)
    return statement


def _limit(limit: int) -> int:
    if not 0 <= limit <= MOST_LISTED:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_LISTED)
    return limit or USUALLY_LISTED
