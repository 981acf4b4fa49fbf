"""What circulation says of items: states of items, rules of reading in the library, and the holdings that follow."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from uuid import UUID

import orjson
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.db import Database
from chassis.ids import parse_id
from chassis.sql import insert_for
from rangkiang.circulation.v1.events_pb2 import LoanFact, PoliciesChanged
from services.catalog.index.queue import enqueue
from services.catalog.items.availability import can_be_borrowed
from services.catalog.items.lending import load_holdings, lock_records
from services.catalog.tables import GoneItem, Item, ItemState, LendingRules, Record

PAGE = 200  # records that a job compares at once
MOST_WRITTEN = 5  # records that a job writes in one transaction: a desk waits for it


def is_empty(session: Session) -> bool:
    """Return whether circulation has said nothing yet."""
    tables = (ItemState.item_id, LendingRules.institution_id)
    return all(session.scalar(select(column).limit(1)) is None for column in tables)


def put_state(session: Session, loan: LoanFact) -> bool:
    """Store the state of an item and update the holdings of its record.

    Neither the record's version nor updated_at changes. Returns False when a newer state is stored already.
    """
    item_id = parse_id(loan.item_id)
    number = _lock_record_of(session, item_id)
    values = {
        "institution_id": parse_id(loan.institution_id),
        "state": loan.state,
        "state_version": loan.state_version,
        "due_on": loan.due_on if loan.state == "on_loan" else "",
    }
    row = insert_for(session, ItemState).values(item_id=item_id, **values)
    newer = ItemState.state_version < loan.state_version
    upsert = row.on_conflict_do_update(index_elements=["item_id"], set_=values, where=newer)
    if session.execute(upsert.returning(ItemState.item_id)).first() is None:
        return False
    if number is not None:
        refresh_holdings(session, [number])
    return True


def _lock_record_of(session: Session, item_id: UUID) -> int | None:
    """Lock the record of an item, and return its number; None for an item that the catalogue does not have.

    An import may move the item, or bring it back, while this waits for its lock.
    """
    record_number = select(Item.record_number).where(Item.id == item_id)
    number = session.scalar(record_number)
    if session.get_bind().dialect.name != "postgresql":
        return number
    while True:
        if number is None:
            session.scalar(select(GoneItem.id).where(GoneItem.id == item_id).with_for_update())
        else:
            lock_records(session, [number])
        locked, number = number, session.scalar(record_number)
        if number == locked:
            return number


def refresh_holdings(session: Session, numbers: Sequence[int]) -> int:
    """Compute the holdings of records again. The caller has locked them.

    A record is queued for the index when it can be borrowed and could not before, or the other way round.
    returns  how many records have other holdings than before
    """
    computed = load_holdings(session, numbers)
    columns = select(Record.number, Record.holdings, Record.version + Record.index_changes)
    rows = session.execute(columns.where(Record.number.in_(numbers)).order_by(Record.number)).all()
    changed = 0
    for number, stored, version in rows:
        holdings = computed[number]
        if holdings == stored:
            continue
        changed += 1
        is_for_index = can_be_borrowed(holdings) != can_be_borrowed(stored)
        values = {"holdings": holdings} | ({"index_changes": Record.index_changes + 1} if is_for_index else {})
        statement = update(Record).where(Record.number == number).values(values)
        session.execute(statement.execution_options(synchronize_session=False))
        if is_for_index:
            enqueue(session, [(number, version + 1)])
    return changed


def put_rules(session: Session, fact: PoliciesChanged) -> bool:
    """Store which items of an institution are only read in the library; a job updates the holdings.

    returns  False when newer rules are stored already
    """
    rules = [[rule.collection, rule.branch_id, rule.is_read_here_only] for rule in fact.read_here_only]
    values = {"version": fact.version, "rules": orjson.dumps(rules), "refreshed_to": 0}
    row = insert_for(session, LendingRules).values(institution_id=parse_id(fact.institution_id), **values)
    newer = LendingRules.version < fact.version
    upsert = row.on_conflict_do_update(index_elements=["institution_id"], set_=values, where=newer)
    return session.execute(upsert.returning(LendingRules.institution_id)).first() is not None


def put_states(database: Database, loans: Iterable[LoanFact], context: Context) -> int:
    """Store states of a snapshot, a few in each transaction. Returns their number."""
    count, some = 0, []
    for loan in loans:
        some.append(loan)
        if len(some) == MOST_WRITTEN:
            count += _put_some(database, some, context)
            some = []
    return count + _put_some(database, some, context)


def _put_some(database: Database, loans: Sequence[LoanFact], context: Context) -> int:
    if loans:
        with database.transaction(context) as session:
            for loan in loans:
                put_state(session, loan)
    return len(loans)


def follow_rules(database: Database, context: Context, stop: threading.Event) -> int:
    """Update the holdings that do not follow the rules of their institution yet.

    returns  how many records have other holdings than before
    """
    changed = 0
    while not stop.is_set():
        with database.reading(context) as session:
            rules = session.scalars(select(LendingRules).where(LendingRules.refreshed_to.is_not(None)).limit(1)).first()
            if rules is None:
                break
            of_institution = (Record.institution_id == rules.institution_id, Record.number > (rules.refreshed_to or 0))
            page = select(Record.number, Record.holdings).where(*of_institution).order_by(Record.number).limit(PAGE)
            stored = dict(session.execute(page).all())
            computed = load_holdings(session, list(stored))
        different = [number for number, holdings in stored.items() if computed[number] != holdings]
        for start in range(0, len(different), MOST_WRITTEN):
            numbers = different[start : start + MOST_WRITTEN]
            with database.transaction(context) as session:
                lock_records(session, numbers)
                changed += refresh_holdings(session, numbers)
        reached = max(stored) if len(stored) == PAGE else None
        same = (LendingRules.institution_id == rules.institution_id, LendingRules.version == rules.version)
        with database.transaction(context) as session:
            session.execute(update(LendingRules).where(*same).values(refreshed_to=reached))
    return changed
