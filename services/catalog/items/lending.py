"""The lending of items: states and rules from circulation, and the holdings that follow from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.database.sql import in_parts, update_many
from services.catalog.index_queue import enqueue
from services.catalog.record.holdings import NOT_LENT, ItemFacts, Lending, holdings, is_read_here
from services.catalog.tables import Branch, Institution, Item, ItemState, LendingRules, Record
from services.catalog.works.assignment import MovedRecord, emit_moved_records

Rules = Mapping[tuple[str, str], bool]
IN = "in"  # the state of an item that is neither lent nor in transit


def lock_records(session: Session, numbers: Iterable[int]) -> None:
    """Lock records in the order of their numbers. Call this before a change of their items or holdings.

    On SQLite it does nothing, because only one transaction writes at a time.
    """
    ordered = sorted(numbers)
    if ordered and session.get_bind().dialect.name == "postgresql":
        locked = select(Record.number).where(Record.number.in_(ordered)).order_by(Record.number).with_for_update()
        session.execute(locked).all()


def load_rules(session: Session, institution_id: UUID) -> Rules | None:
    """Return the rules of an institution; None before its first policy."""
    rules = session.scalar(select(LendingRules.rules).where(LendingRules.institution_id == institution_id))
    return None if rules is None else read_rules(rules)


@lru_cache(maxsize=64)
def read_rules(rules: bytes) -> Rules:
    """Parse LendingRules.rules. Returns (collection, branch id) -> whether the items are only read in the library."""
    return {(collection, branch): is_only_read for collection, branch, is_only_read in orjson.loads(rules)}


def load_states(session: Session, item_ids: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return item id -> (state, due_on), for items that have a state."""
    columns = select(ItemState.item_id, ItemState.state, ItemState.due_on)
    return {
        row.item_id: (row.state, row.due_on)
        for chunk in in_parts(item_ids)
        for row in session.execute(columns.where(ItemState.item_id.in_(chunk)))
    }


def lending_of_row(row: Any) -> Lending:
    """Return the lending of an item from a row with state, due_on, rules, collection and branch_id."""
    state = None if row.state is None else (row.state, row.due_on)
    return lending_of(state, None if row.rules is None else read_rules(row.rules), row.collection, row.branch_id)


def lending_of(state: tuple[str, str] | None, rules: Rules | None, collection: str, branch_id: UUID | None) -> Lending:
    """Return the lending of an item."""
    if state is None and rules is None:
        return NOT_LENT
    name, due_on = state or (IN, "")
    return Lending(name, due_on, is_read_here(rules, collection, str(branch_id)))


_items: Any = Item.__table__.c
# Built once, because each return of an item needs it.
_ITEMS = (
    select(
        *(_items[name] for name in ("record_number", "branch_id", "barcode", "call_number", "collection")),
        *(_items[name] for name in ("material", "status", "copy", "access")),
        Institution.code.label("institution"),
        Branch.code.label("branch"),
        Branch.name_id,
        Branch.name_en,
        ItemState.state,
        ItemState.due_on,
        LendingRules.rules,
    )
    .join(Branch, Branch.id == _items.branch_id)
    .join(Institution, Institution.id == _items.institution_id)
    .outerjoin(ItemState, ItemState.item_id == _items.id)
    .outerjoin(LendingRules, LendingRules.institution_id == _items.institution_id)
    .where(_items.record_number.in_(bindparam("numbers", expanding=True)))
    .order_by(_items.record_number, _items.position)
)


def _rows(session: Session, numbers: Collection[int]) -> Iterable[tuple[Any, ItemFacts]]:
    for row in session.execute(_ITEMS, {"numbers": list(numbers)}):
        yield (
            row,
            ItemFacts(
                row.barcode,
                row.call_number,
                row.institution,
                row.branch,
                row.collection,
                row.material,
                row.status,
                row.copy,
                lending=lending_of_row(row),
                access=row.access,
            ),
        )


def load_items(session: Session, numbers: Sequence[int]) -> dict[int, list[ItemFacts]]:
    """Return record number -> its items in order, with lending, without room and numbering."""
    items: dict[int, list[ItemFacts]] = {}
    for row, facts in _rows(session, numbers):
        items.setdefault(row.record_number, []).append(facts)
    return items


def load_holdings(session: Session, numbers: Collection[int]) -> dict[int, bytes]:
    """Compute the holdings of records from the tables, as JSON. The caller has locked the records."""
    computed = dict.fromkeys(numbers, b"[]")
    for number, group in groupby(_rows(session, numbers), key=lambda pair: pair[0].record_number):
        rows = list(group)
        names = {(row.institution, row.branch): (row.name_id, row.name_en) for row, _ in rows}
        computed[number] = orjson.dumps(holdings([facts for _, facts in rows], names))
    return computed


def put_holdings(session: Session, numbers: Collection[int], *, at: datetime, context: Context) -> None:
    """Compute the holdings of records after items moved between records; each gets a new version.

    emits  RecordsChanged
    """
    if not numbers:
        return
    ordered = sorted(numbers)
    versions = dict(
        session.execute(
            select(Record.number, Record.version + Record.index_changes).where(Record.number.in_(ordered))
        ).all()
    )
    computed = load_holdings(session, ordered)
    rows = [{"number": number, "holdings": computed[number], "updated_at": at} for number in ordered]
    update_many(session, Record, rows, key="number")
    newer = update(Record).where(Record.number.in_(ordered)).values(version=Record.version + 1)
    session.execute(newer.execution_options(synchronize_session=False))
    moved = [MovedRecord(number, versions[number] + 1) for number in ordered]
    enqueue(session, moved)
    emit_moved_records(session, moved, context=context)
