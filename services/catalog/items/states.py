"""States of items and rules of reading in the library, from circulation, and the holdings that follow from them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.sql import insert_for, upsert_newer
from chassis.ids import parse_id
from rangkiang.circulation.v1.events_pb2 import LoanCopy, PoliciesChanged
from services.catalog.index_queue import enqueue
from services.catalog.items.branches import BranchIndex
from services.catalog.items.events import copy_json, digest_of, emit_items, with_version
from services.catalog.items.identities import RecordItems, plan_items, write_items
from services.catalog.items.lending import IN, load_holdings, load_states, lock_records, put_holdings
from services.catalog.queries import is_sandbox
from services.catalog.record.holdings import can_be_borrowed
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import GoneItem, Institution, Item, ItemState, LendingRules, Record

PAGE = 200  # records that a job compares at once
MOST_WRITTEN = 5  # records that a job writes in one transaction, because a desk waits for its end


def is_empty(session: Session) -> bool:
    """Return whether the catalogue has no states and no rules from circulation yet."""
    tables = (ItemState.item_id, LendingRules.institution_id)
    return all(session.scalar(select(column).limit(1)) is None for column in tables)


def store_states(session: Session, loans: Sequence[tuple[LoanCopy, Context]]) -> None:
    """Store the newest states of items and update the holdings of their records. Returned items that leave are removed.

    An item that an import removed before the event of its loan arrived is restored until it is returned. Neither the
    version of a record nor its updated_at changes. A newer state that is stored already stays.

    loans  states, and the context of the act of each
    """
    newest: dict[UUID, tuple[LoanCopy, Context]] = {}
    for loan, context in loans:
        item_id = parse_id(loan.item_id)
        if item_id not in newest or newest[item_id][0].state_version < loan.state_version:
            newest[item_id] = loan, context
    numbers = _lock_records_of(session, newest)
    rows = [
        {
            "item_id": item_id,
            "institution_id": parse_id(loan.institution_id),
            "state": loan.state,
            "state_version": loan.state_version,
            "due_on": loan.due_on if loan.state == "on_loan" else "",
        }
        for item_id, (loan, _) in sorted(newest.items())
    ]
    upsert_newer(session, ItemState, rows, key="item_id", version="state_version")
    missing = [item_id for item_id in newest if item_id not in numbers]
    for item_id, (state, _) in load_states(session, missing).items():
        number = _restore(session, item_id, context=newest[item_id][1]) if state != IN else None
        if number is not None:
            numbers[item_id] = number
    refresh_holdings(session, set(numbers.values()))
    in_catalogue = ((numbers[item_id], *newest[item_id]) for item_id in sorted(numbers))
    returned = {number: context for number, loan, context in in_catalogue if loan.state == IN}
    _remove_returned_items(session, returned)


def _lock_records_of(session: Session, item_ids: Collection[UUID]) -> dict[UUID, int]:
    """Lock the records of items. Returns item id -> number of its record, without items that the catalogue has not.

    While this waits for the locks, an import may move an item to another record or restore it.
    """
    numbers = _record_numbers(session, item_ids)
    if session.get_bind().dialect.name != "postgresql":
        return numbers
    while True:
        missing = sorted(item_id for item_id in item_ids if item_id not in numbers)
        if missing:
            gone = select(GoneItem.id).where(GoneItem.id.in_(missing)).order_by(GoneItem.id)
            session.execute(gone.with_for_update()).all()
        lock_records(session, set(numbers.values()))
        locked, numbers = numbers, _record_numbers(session, item_ids)
        if numbers == locked:
            return numbers


def _restore(session: Session, item_id: UUID, *, context: Context) -> int | None:
    """Restore a gone item from its last copy, as one that is leaving.

    returns  number of its record; None for an item that is unknown
    emits    ItemsChanged
    """
    gone_item = session.get(GoneItem, item_id)
    if gone_item is None:
        return None
    last = orjson.loads(gone_item.copy)
    record_id = UUID(last["record_id"])
    record = session.execute(select(Record.number, Record.marc).where(Record.id == record_id)).one()
    lock_records(session, [record.number])
    institution_id, barcode = gone_item.institution_id, last["barcode"] or None
    holder = select(Item.id).where(Item.institution_id == institution_id, Item.barcode == barcode)
    columns = {
        "institution_id": institution_id,
        "branch_id": UUID(last["branch_id"]),
        "barcode": None if session.scalar(holder) else barcode,
        "status": "withdrawn",
        **{name: last[name] for name in ("call_number", "enumeration", "collection", "room")},
    }
    copy = copy_json(item_id, columns, record_id=record_id, facts=facts_of_packed(record.marc))
    version = gone_item.version + 1
    position = select(func.coalesce(func.max(Item.position), -1) + 1).where(Item.record_number == record.number)
    row = columns | {"id": item_id, "record_number": record.number, "position": session.scalar(position)}
    row |= {
        "material": "",
        "copy": "",
        "access": "",
        "is_leaving": True,
        "version": version,
        "last_published": digest_of(copy),
    }
    session.execute(delete(GoneItem).where(GoneItem.id == item_id).execution_options(synchronize_session=False))
    session.execute(insert(Item).values(row))
    emit_items(session, [with_version(copy, version)], context=context)
    return int(record.number)


def _record_numbers(session: Session, item_ids: Collection[UUID]) -> dict[UUID, int]:
    return {row.id: row.record_number for row in session.execute(_RECORDS_OF_ITEMS, {"item_ids": list(item_ids)})}


# Built once, because each act at a desk runs them.
_items: Any = Item.__table__
_records: Any = Record.__table__
_RECORDS_OF_ITEMS = select(_items.c.id, _items.c.record_number).where(
    _items.c.id.in_(bindparam("item_ids", expanding=True))
)
_STORED_HOLDINGS = (
    select(_records.c.number, _records.c.holdings, (_records.c.version + _records.c.index_changes).label("version"))
    .where(_records.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(_records.c.number)
)
_PUT_HOLDINGS = (
    update(_records)
    .where(_records.c.number == bindparam("of_number"))
    .values(holdings=bindparam("new_holdings"), index_changes=_records.c.index_changes + bindparam("more"))
)


def refresh_holdings(session: Session, numbers: Collection[int]) -> int:
    """Compute the holdings of records again. The caller has locked them.

    A record is queued for the index when "can be borrowed" has changed.

    returns  number of records whose holdings changed
    """
    computed, changed, for_index = load_holdings(session, numbers), [], []
    for number, stored, version in session.execute(_STORED_HOLDINGS, {"numbers": list(numbers)}):
        holdings = computed[number]
        if holdings == stored:
            continue
        is_for_index = can_be_borrowed(holdings) != can_be_borrowed(stored)
        changed.append({"of_number": number, "new_holdings": holdings, "more": int(is_for_index)})
        if is_for_index:
            for_index.append((number, version + 1))
    if changed:
        session.execute(_PUT_HOLDINGS, changed)
        enqueue(session, for_index, is_change=False)
    return len(changed)


# The items of a record that an earlier release deleted are not marked as leaving.
_IS_LEAVING = select(_items.c.id).where(_items.c.record_number == _records.c.number, _items.c.is_leaving).exists()
_RETURNED = (
    select(_records.c.number, _records.c.id, _records.c.marc, _records.c.deleted_at, _records.c.institution_id)
    .where(_records.c.number.in_(bindparam("numbers", expanding=True)))
    .where(or_(_records.c.deleted_at.is_not(None), _IS_LEAVING))
    .order_by(_records.c.number)
)


def _remove_returned_items(session: Session, contexts: Mapping[int, Context]) -> None:
    """Remove the items of records that are leaving and no longer out.

    contexts  number of a record, which the caller has locked -> context of the return
    emits     ItemsChanged, RecordsChanged
    """
    for row in session.execute(_RETURNED, {"numbers": list(contexts)}).all():
        if is_sandbox(session, row.institution_id):
            continue
        now, is_deleted = clock.now(), row.deleted_at is not None
        facts, context = facts_of_packed(row.marc), contexts[row.number]
        claim = RecordItems(
            row.number, row.id, 0, (), facts, fresh=False, is_deleted=is_deleted, is_return=not is_deleted
        )
        plan = plan_items(session, BranchIndex(row.institution_id, "", ""), [claim])
        write_items(session, plan, at=now)
        put_holdings(session, plan.affected, at=now, context=context)
        emit_items(session, plan.copies, context=context)


def put_rules(session: Session, event: PoliciesChanged) -> bool:
    """Store which items of an institution are only read in the library; a job updates the holdings.

    returns  False when newer rules are stored already
    """
    rules = [[rule.collection, rule.branch_id, rule.is_read_here_only] for rule in event.read_here_only]
    values = {"version": event.version, "rules": orjson.dumps(rules), "refreshed_to": 0}
    row = insert_for(session, LendingRules).values(institution_id=parse_id(event.institution_id), **values)
    newer = LendingRules.version < event.version
    upsert = row.on_conflict_do_update(index_elements=["institution_id"], set_=values, where=newer)
    return session.execute(upsert.returning(LendingRules.institution_id)).first() is not None


def put_states(database: Database, loans: Iterable[LoanCopy], context: Context) -> int:
    """Store the states of a snapshot, a few in each transaction. Returns their number."""
    count, some = 0, []
    for loan in loans:
        some.append(loan)
        if len(some) == MOST_WRITTEN:
            count += _put_some(database, some, context)
            some = []
    return count + _put_some(database, some, context)


def _put_some(database: Database, loans: Sequence[LoanCopy], context: Context) -> int:
    if loans:
        database.run(context, lambda session: store_states(session, [(loan, context) for loan in loans]))
    return len(loans)


def load_states_out(session: Session) -> dict[UUID, int]:
    """Return item id -> version of its state, for all items that are lent or in transit."""
    rows = session.execute(select(ItemState.item_id, ItemState.state_version).where(ItemState.state != IN))
    return {row.item_id: row.state_version for row in rows}


def reset_states(database: Database, states: Mapping[UUID, int], context: Context) -> int:
    """Remove the states of items that circulation no longer has out: an item without a state is on the shelf.

    states   item id -> version of its state before circulation's snapshot was requested; a newer state stays
    returns  number of removed states
    """
    count, items = 0, sorted(states.items())
    for start in range(0, len(items), MOST_WRITTEN):
        some = items[start : start + MOST_WRITTEN]
        count += database.run(context, partial(_reset_some, states=some, context=context))
    return count


def _reset_some(session: Session, *, states: Sequence[tuple[UUID, int]], context: Context) -> int:
    return sum(_reset_state(session, item_id, version, context=context) for item_id, version in states)


def _reset_state(session: Session, item_id: UUID, version: int, *, context: Context) -> bool:
    numbers = _lock_records_of(session, [item_id]).values()
    unchanged = (ItemState.item_id == item_id, ItemState.state_version == version, ItemState.state != IN)
    if session.execute(delete(ItemState).where(*unchanged).returning(ItemState.item_id)).first() is None:
        return False
    refresh_holdings(session, numbers)
    _remove_returned_items(session, dict.fromkeys(numbers, context))
    return True


def follow_rules(database: Database, context: Context, stop: threading.Event) -> int:
    """Update the holdings that have older rules of their institution, or older names of its branches.

    returns  number of records whose holdings changed
    """
    changed = 0
    while not stop.is_set():
        with database.reading(context) as session:
            rules = session.scalars(select(LendingRules).where(LendingRules.refreshed_to.is_not(None)).limit(1)).first()
            renamed = session.scalars(select(Institution).where(Institution.renamed_to.is_not(None)).limit(1)).first()
        if rules is not None:
            count, reached = _refresh_page(database, context, rules.institution_id, after=rules.refreshed_to or 0)
            same_version = (LendingRules.institution_id == rules.institution_id, LendingRules.version == rules.version)
            statement = update(LendingRules).where(*same_version).values(refreshed_to=reached)
        elif renamed is not None:
            count, reached = _refresh_page(database, context, renamed.id, after=renamed.renamed_to or 0)
            same_version = (Institution.id == renamed.id, Institution.version == renamed.version)
            statement = update(Institution).where(*same_version).values(renamed_to=reached)
        else:
            break
        changed += count
        with database.transaction(context) as session:
            session.execute(statement)
    return changed


def _refresh_page(database: Database, context: Context, institution_id: UUID, *, after: int) -> tuple[int, int | None]:
    """Update the holdings of an institution's next records.

    returns  number of records whose holdings changed; number of the last record, None at the end
    """
    with database.reading(context) as session:
        of_institution = (Record.institution_id == institution_id, Record.number > after)
        page = select(Record.number, Record.holdings).where(*of_institution).order_by(Record.number).limit(PAGE)
        stored = dict(session.execute(page).all())
        computed = load_holdings(session, list(stored))
    changed = 0
    different = [number for number, holdings in stored.items() if computed[number] != holdings]
    for start in range(0, len(different), MOST_WRITTEN):
        numbers = different[start : start + MOST_WRITTEN]
        with database.transaction(context) as session:
            lock_records(session, numbers)
            changed += refresh_holdings(session, numbers)
    return changed, max(stored) if len(stored) == PAGE else None
