"""Decides which stored item each item of a record is: an item keeps its id while its barcode stays (ADR 0032)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from chassis.database.sql import among, in_parts, update_many
from chassis.ids import new_id
from services.catalog.items.branches import BranchIndex
from services.catalog.items.events import copy_json, digest_of, with_version
from services.catalog.items.lending import IN, lending_of, load_rules, load_states, lock_records
from services.catalog.record.holdings import ItemFacts
from services.catalog.record.item_facts import RecordFacts, facts_of_packed
from services.catalog.tables import GoneItem, Item, ItemOverride, Record

BARCODE_IN_USE = "BARCODE_IN_USE"
# Columns that readers and the index see. The others are shown only with the item itself.
VISIBLE = (
    *("record_number", "branch_id", "barcode", "call_number", "collection", "material", "status", "copy", "access"),
)

Stored = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class RecordItems:
    """The items that a record names. fresh: the tables have no items of the record.

    is_deleted  the record is being deleted, so it names no items
    is_return   an item of the record was returned, so only items that are leaving are examined
    """

    record_number: int
    record_id: UUID
    ordinal: int
    items: Sequence[ItemFacts]
    facts: RecordFacts
    fresh: bool
    is_deleted: bool = False
    is_return: bool = False


@dataclass(slots=True)
class ItemPlan:
    """The changes of the tables after which records have the items that they claim.

    items     record number -> its items as they will be in the tables, with their lending
    warnings  (ordinal, BARCODE_IN_USE): another item has the barcode, so this item is stored without it
    copies    JSON of ItemCopy of items that are new, changed or gone
    changed   claiming records with different items than before; `visible`: those where readers or the index see it
    affected  other records that an item moved from or to
    kept      items that are out and that no record names: they stay until they are returned
    """

    items: dict[int, list[ItemFacts]] = field(default_factory=dict)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    copies: list[bytes] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)
    visible: set[int] = field(default_factory=set)
    affected: set[int] = field(default_factory=set)
    kept: set[UUID] = field(default_factory=set)
    inserted: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)
    gone: list[dict[str, Any]] = field(default_factory=list)
    returned: list[UUID] = field(default_factory=list)
    source_barcodes: list[tuple[UUID, str | None]] = field(default_factory=list)


def plan_items(session: Session, branch_index: BranchIndex, claims: Sequence[RecordItems]) -> ItemPlan:
    """Plan the items of these records, which the caller has locked. Call open_branches with their items first."""
    return _Planner(session, branch_index, claims).plan()


def write_items(session: Session, plan: ItemPlan, *, at: datetime) -> None:
    """Carry out a plan. The claiming records are stored."""
    for ids in in_parts([row["id"] for row in plan.gone]):
        session.execute(delete(Item).where(Item.id.in_(ids)).execution_options(synchronize_session=False))
    if plan.gone:
        session.execute(insert(GoneItem), [row | {"gone_at": at} for row in plan.gone])
    for ids in in_parts(plan.returned):
        session.execute(delete(GoneItem).where(GoneItem.id.in_(ids)).execution_options(synchronize_session=False))
    update_many(session, Item, plan.updated, key="id")
    if plan.inserted:
        session.execute(insert(Item.__table__), plan.inserted)  # type: ignore[arg-type]
    for item_id, barcode in plan.source_barcodes:
        session.execute(update(ItemOverride).where(ItemOverride.item_id == item_id).values(source_barcode=barcode))


_STORED = (
    select(
        *Item.__table__.columns,
        ItemOverride.source_barcode,
        ItemOverride.barcode.label("own_barcode"),
        ItemOverride.status.label("own_status"),
        Record.deleted_at,
    )
    .join(Record, Record.number == Item.record_number)
    .join(ItemOverride, ItemOverride.item_id == Item.id, isouter=True)
)


def source_barcode_of(row: Stored) -> str | None:
    """Return the barcode that a stored item has in its record."""
    barcode: str | None = row.barcode if row.own_barcode is None else row.source_barcode
    return barcode


class _Planner:
    """One call of plan_items."""

    def __init__(self, session: Session, branch_index: BranchIndex, claims: Sequence[RecordItems]) -> None:
        self._session, self._branch_index, self._claims = session, branch_index, claims
        self._plan = ItemPlan()
        self._of_record = {claim.record_number: claim for claim in claims}
        self._numbers = {claim.record_number for claim in claims if not claim.fresh}
        self._rows: dict[UUID, Stored] = {}
        self._by_barcode: dict[str, Stored] = {}
        self._by_source: dict[str, Stored] = {}
        self._wanting: dict[tuple[int, str], Stored] = {}
        self._by_position: dict[tuple[int, int], Stored] = {}
        self._gone: dict[str, Any] = {}
        self._taken: set[UUID] = set()
        # (record number, item id, branch id, facts) in the order of the records
        self._placed: list[tuple[int, UUID, UUID, ItemFacts]] = []
        self._known: list[UUID] = []  # ids of items that circulation may have states of

    def plan(self) -> ItemPlan:
        lock_records(self._session, self._numbers)
        self._load()
        for claim in self._claims:
            self._plan.items[claim.record_number] = []
        winners = self._winners()
        for claim in self._claims:
            for position, facts in enumerate(claim.items):
                self._place(claim, position, facts, winners)
        self._keep_fast_adds()
        self._release()
        lock_records(self._session, self._plan.affected)
        self._add_lending()
        return self._plan

    def _load(self) -> None:
        """Load the items of the records, and the items and gone items that have a claimed barcode."""
        claimed = sorted({facts.barcode for claim in self._claims for facts in claim.items if facts.barcode})
        of_institution = _STORED.where(Item.institution_id == self._branch_index.institution_id)
        statements = [_STORED.where(Item.record_number.in_(numbers)) for numbers in in_parts(sorted(self._numbers))]
        if claimed:
            statements.append(of_institution.where(among(self._session, Item.barcode, claimed)))
            statements.append(of_institution.where(among(self._session, ItemOverride.source_barcode, claimed)))
        for statement in statements:
            for row in self._session.execute(statement):
                self._rows[row.id] = row
        for row in self._rows.values():
            if row.barcode is not None:
                self._by_barcode[row.barcode] = row
            source = source_barcode_of(row)
            if source is not None:
                self._by_source[source] = row
            elif not row.is_fast_add:
                self._by_position[row.record_number, row.position] = row
                if row.wanted_barcode is not None:
                    self._wanting[row.record_number, row.wanted_barcode] = row
        columns = select(GoneItem.id, GoneItem.barcode, GoneItem.version, ItemOverride.barcode.label("own_barcode"))
        columns = columns.add_columns(ItemOverride.status.label("own_status"), ItemOverride.source_barcode)
        gone = columns.join(ItemOverride, ItemOverride.item_id == GoneItem.id, isouter=True)
        gone = gone.where(GoneItem.institution_id == self._branch_index.institution_id).order_by(GoneItem.gone_at)
        # Locked, so that a handler of a fact about a gone item waits until this transaction has restored the item.
        gone = gone.with_for_update(of=GoneItem)
        free = [barcode for barcode in claimed if barcode not in self._by_source]
        if free:
            rows = self._session.execute(gone.where(among(self._session, GoneItem.barcode, free)))
            self._gone = {row.barcode: row for row in rows}

    def _winners(self) -> dict[str, int | None]:
        """Return claimed barcode -> the record that gets its item; None where an item of another record keeps it."""
        claimants: dict[str, list[int]] = {}
        for claim in self._claims:
            for facts in claim.items:
                if facts.barcode:
                    claimants.setdefault(facts.barcode, []).append(claim.record_number)
        return {barcode: self._winner(barcode, numbers) for barcode, numbers in claimants.items()}

    def _winner(self, barcode: str, claimants: list[int]) -> int | None:
        row = self._by_source.get(barcode)
        if row is None:
            return None if barcode in self._by_barcode else claimants[0]
        if row.record_number in claimants:
            return int(row.record_number)
        is_free = row.is_fast_add or row.is_leaving or row.deleted_at is not None or row.record_number in self._numbers
        return claimants[0] if is_free else None

    def _place(self, claim: RecordItems, position: int, facts: ItemFacts, winners: dict[str, int | None]) -> None:
        """Find the stored item of one claimed item, or plan a new one."""
        number = claim.record_number
        barcode = facts.barcode or None
        wanted_barcode: str | None = None
        row: Stored | None = None
        gone_item: Any = None
        if barcode is not None:
            row = self._wanting.get((number, barcode))
            if winners[barcode] == number:
                winners[barcode] = None  # a record that names a barcode twice gets one item with it
                row = self._by_source.get(barcode) or row
                gone_item = None if barcode in self._by_source else self._gone.get(barcode)
            else:
                barcode, wanted_barcode = None, barcode
        if gone_item is not None:
            row = None
        elif row is None or row.id in self._taken:
            row = self._by_position.get((number, position))
            row = None if row is not None and row.id in self._taken else row
        known = row if row is not None else gone_item
        if known is not None and known.own_barcode is not None:
            holder = self._by_barcode.get(known.own_barcode)
            if wanted_barcode is None and known.source_barcode != barcode:
                self._plan.source_barcodes.append((known.id, barcode))
            if holder is None or holder.id == known.id:
                barcode = known.own_barcode
        if known is not None and known.own_status is not None:
            facts = facts._replace(status=known.own_status)
        if barcode is None and wanted_barcode is not None:
            self._plan.warnings.append((claim.ordinal, BARCODE_IN_USE))
        if facts.barcode != barcode:
            facts = facts._replace(barcode=barcode)
        if row is not None and row.record_number not in self._of_record and row.deleted_at is None:
            self._plan.affected.add(row.record_number)
        self._put(claim, self._columns(number, position, facts, wanted_barcode), facts, row, gone_item)

    def _columns(self, number: int, position: int, facts: ItemFacts, wanted_barcode: str | None) -> dict[str, Any]:
        return {
            "institution_id": self._branch_index.institution_id,
            "record_number": number,
            "branch_id": self._branch_index.branches[facts.branch][0],
            "position": position,
            "wanted_barcode": wanted_barcode,
            "is_fast_add": False,
            "is_leaving": False,
            **{name: getattr(facts, name) for name in _FACTS},
        }

    def _put(
        self, claim: RecordItems, columns: dict[str, Any], facts: ItemFacts, row: Stored | None, gone_item: Any = None
    ) -> None:
        """Plan the row of one item of a claiming record."""
        number, plan = claim.record_number, self._plan
        known = row if row is not None else gone_item
        item_id = new_id() if known is None else known.id
        copy = copy_json(item_id, columns, record_id=claim.record_id, facts=claim.facts)
        copy_digest = digest_of(copy)
        self._placed.append((number, item_id, columns["branch_id"], facts))
        if known is not None:
            self._known.append(item_id)
        if row is None:
            version = 1 if gone_item is None else gone_item.version + 1
            columns.update(id=item_id, version=version, told=copy_digest)
            plan.inserted.append(columns)
            plan.copies.append(with_version(copy, version))
            plan.changed.add(number)
            plan.visible.add(number)
            if gone_item is not None:
                plan.returned.append(item_id)
            return
        self._taken.add(item_id)
        version = row.version + (copy_digest != row.told)
        stored = row._mapping
        different = {name for name, value in columns.items() if stored[name] != value}
        if copy_digest != row.told:
            plan.copies.append(with_version(copy, version))
        if different or copy_digest != row.told:
            plan.updated.append(columns | {"id": item_id, "version": version, "told": copy_digest})
        if different:
            plan.changed.add(number)
        if stored["access"] is None and not columns["access"] and columns["barcode"] is not None:
            different.discard("access")  # readers see no difference
        if not different.isdisjoint(VISIBLE):
            plan.visible.add(number)

    def _keep_fast_adds(self) -> None:
        """Keep the items of claiming records that a desk added; their copies are renewed with the record."""
        codes = {branch_id: code for code, (branch_id, _) in self._branch_index.branches.items()}
        for row, claim in self._untaken():
            if row.is_fast_add and not (claim.is_deleted or claim.is_return):
                columns = {name: row._mapping[name] for name in _COLUMNS}
                columns["access"] = columns["access"] or ""
                facts = ItemFacts(branch=codes[row.branch_id], **{name: columns[name] for name in _FACTS})
                self._put(claim, columns, facts, row)

    def _untaken(self) -> list[tuple[Stored, RecordItems]]:
        """List the stored items of the claiming records that no claim has used."""
        rows = (row for row in self._rows.values() if row.record_number in self._numbers and row.id not in self._taken)
        return [(row, self._of_record[row.record_number]) for row in rows]

    def _release(self) -> None:
        """Remove the items that no record claims, but keep those out; give a barcode to an item that waits for it."""
        free = [row for row, claim in self._untaken() if row.is_leaving or not claim.is_return]
        if not free:
            return
        barcodes = sorted(source for row in free if (source := source_barcode_of(row)) is not None)
        waiting: dict[str, Any] = {}
        for chunk in in_parts(barcodes):
            statement = (
                select(*Item.__table__.columns, Record.id.label("record_id"), Record.marc)
                .join(Record, Record.number == Item.record_number)
                .where(Item.institution_id == self._branch_index.institution_id, Item.barcode.is_(None))
                .where(Item.wanted_barcode.in_(chunk), Item.record_number.notin_(self._of_record))
                .order_by(Item.record_number.desc(), Item.position.desc())
            )
            waiting |= {row.wanted_barcode: row for row in self._session.execute(statement)}
        out = [
            item_id
            for item_id, (state, _) in load_states(self._session, [row.id for row in free]).items()
            if state != IN
        ]
        for row in free:
            claim = self._of_record[row.record_number]
            self._plan.changed.add(row.record_number)
            self._plan.visible.add(row.record_number)
            waiter = waiting.get(source_barcode_of(row) or "")
            if waiter is None and row.id in out:
                self._keep(row, claim)
                continue
            if waiter is None:
                self._remove(row, source_barcode_of(row), claim.record_id, claim.facts)
                continue
            facts = facts_of_packed(waiter.marc)
            columns = {name: waiter._mapping[name] for name in _COLUMNS} | {
                "barcode": row.barcode,
                "status": row.own_status or waiter.status,
                "wanted_barcode": None,
                "is_leaving": False,
            }
            copy = copy_json(row.id, columns, record_id=waiter.record_id, facts=facts)
            version, copy_digest = row.version + 1, digest_of(copy)
            self._plan.updated.append(columns | {"id": row.id, "version": version, "told": copy_digest})
            self._plan.copies.append(with_version(copy, version))
            self._plan.affected.add(waiter.record_number)
            self._remove(waiter, None, waiter.record_id, facts)

    def _keep(self, row: Stored, claim: RecordItems) -> None:
        """Keep an item that is out as withdrawn; items.states removes it when it is returned."""
        columns = {name: row._mapping[name] for name in _COLUMNS} | {"status": "withdrawn", "is_leaving": True}
        copy = copy_json(row.id, columns, record_id=claim.record_id, facts=claim.facts)
        copy_digest = digest_of(copy)
        self._plan.kept.add(row.id)
        version = row.version + (copy_digest != row.told)
        if copy_digest != row.told or not row.is_leaving:
            self._plan.updated.append(columns | {"id": row.id, "version": version, "told": copy_digest})
        if copy_digest != row.told:
            self._plan.copies.append(with_version(copy, version))

    def _remove(self, row: Any, barcode: str | None, record_id: UUID, facts: RecordFacts) -> None:
        version = row.version + 1
        copy = with_version(copy_json(row.id, row._mapping, record_id=record_id, facts=facts), version, gone=True)
        values = {"id": row.id, "institution_id": row.institution_id, "barcode": barcode, "version": version}
        self._plan.gone.append(values | {"copy": copy})
        self._plan.copies.append(copy)

    def _add_lending(self) -> None:
        """Add lending to the items. The records are locked, so states do not change until this transaction ends."""
        states = load_states(self._session, self._known)
        rules = load_rules(self._session, self._branch_index.institution_id)
        for number, item_id, branch_id, facts in self._placed:
            if states or rules is not None:
                lending = lending_of(states.get(item_id), rules, facts.collection, branch_id)
                facts = facts._replace(lending=lending)  # noqa: PLW2901
            self._plan.items[number].append(facts)


_FACTS = (
    *("barcode", "call_number", "collection", "material", "status", "copy"),
    *("room", "enumeration", "chronology", "pieces", "call_sort", "access"),
)
_COLUMNS = (
    *("institution_id", "record_number", "branch_id", "position", "wanted_barcode", "is_fast_add", "is_leaving"),
    *_FACTS,
)
