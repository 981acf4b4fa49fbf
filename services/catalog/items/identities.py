"""Decides which stored item each item of a record is: an item keeps its id while its barcode stays (ADR 0032)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from chassis.database.sql import in_parts, update_many
from chassis.ids import new_id
from services.catalog.items.branches import BranchIndex
from services.catalog.items.events import copy_json, digest_of, with_version
from services.catalog.items.gone_items import REMOVED_WITH_RECORD, remove_items, take_back
from services.catalog.items.lending import IN, lending_of, load_rules, load_states, lock_records
from services.catalog.items.stored_items import Stored, StoredItems, source_barcode_of, staying_status_of
from services.catalog.record.holdings import ItemFacts
from services.catalog.record.item_facts import RecordFacts, facts_of_packed
from services.catalog.tables import Item, ItemOverride, Record

BARCODE_IN_USE = "BARCODE_IN_USE"
# Columns that readers and the index see. The others are shown only with the item itself.
VISIBLE = (
    *("record_number", "branch_id", "barcode", "call_number", "collection", "material", "status", "copy", "access"),
)


@dataclass(frozen=True, slots=True)
class RecordItems:
    """The items that a record names. fresh: the tables have no items of the record.

    is_deleted  the record is being deleted, so it names no items
    is_return   an item of the record was returned, so only items that are leaving are examined
    keeps_items  the record names no items and keeps those it has
    """

    record_number: int
    record_id: UUID
    ordinal: int
    items: Sequence[ItemFacts]
    facts: RecordFacts
    fresh: bool
    is_deleted: bool = False
    is_return: bool = False
    keeps_items: bool = False


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
    remove_items(session, plan.gone, removal=REMOVED_WITH_RECORD, at=at)
    update_many(session, Item, plan.updated, key="id")
    if plan.inserted:
        session.execute(insert(Item.__table__), plan.inserted)  # type: ignore[arg-type]
    take_back(session, plan.returned)
    for item_id, barcode in plan.source_barcodes:
        session.execute(update(ItemOverride).where(ItemOverride.item_id == item_id).values(source_barcode=barcode))


class _Planner:
    """One call of plan_items."""

    def __init__(self, session: Session, branch_index: BranchIndex, claims: Sequence[RecordItems]) -> None:
        self._session, self._branch_index, self._claims = session, branch_index, claims
        self._plan = ItemPlan(items={claim.record_number: [] for claim in claims})
        self._of_record = {claim.record_number: claim for claim in claims}
        self._numbers = {claim.record_number for claim in claims if not claim.fresh}
        self._taken: set[UUID] = set()
        # (record number, item id, branch id, facts) in the order of the records
        self._placed: list[tuple[int, UUID, UUID, ItemFacts]] = []

    def plan(self) -> ItemPlan:
        lock_records(self._session, self._numbers)
        claimed = sorted({facts.barcode for claim in self._claims for facts in claim.items if facts.barcode})
        institution_id = self._branch_index.institution_id
        self._stored = StoredItems(self._session, institution_id, sorted(self._numbers), claimed)
        self._winners = self._choose_winners()
        for claim in self._claims:
            for position, facts in enumerate(claim.items):
                self._place(claim, position, facts)
        self._keep_items()
        self._release()
        lock_records(self._session, self._plan.affected)
        self._add_lending()
        return self._plan

    def _choose_winners(self) -> dict[str, int | None]:
        """Return claimed barcode -> the record that gets its item; None where an item of another record keeps it."""
        claimants: dict[str, list[int]] = {}
        for claim in self._claims:
            for facts in claim.items:
                if facts.barcode:
                    claimants.setdefault(facts.barcode, []).append(claim.record_number)
        return {barcode: self._winner(barcode, numbers) for barcode, numbers in claimants.items()}

    def _winner(self, barcode: str, claimants: list[int]) -> int | None:
        row = self._stored.by_source.get(barcode)
        if row is None:
            return None if barcode in self._stored.by_barcode else claimants[0]
        if row.record_number in claimants:
            return int(row.record_number)
        is_free = row.is_fast_add or row.is_leaving or row.deleted_at is not None or row.record_number in self._numbers
        return claimants[0] if is_free else None

    def _place(self, claim: RecordItems, position: int, facts: ItemFacts) -> None:
        """Plan the row of one claimed item: the stored item that it is, a gone item that comes back, or a new one."""
        own = self._own_item(claim.record_number, position, facts.barcode)
        if own is not None:
            if own.record_number != claim.record_number:
                self._plan.warnings.append((claim.ordinal, BARCODE_IN_USE))
            return
        number, barcode = claim.record_number, facts.barcode or None
        contested_barcode: str | None = None
        if barcode is not None and self._winners[barcode] != number:
            barcode, contested_barcode = None, barcode
        row, gone_item = self._find_stored(number, position, barcode, contested_barcode)
        if barcode is not None:
            self._winners[barcode] = None  # a record that names a barcode twice gets one item with it
        found = gone_item if row is None else row
        if found is not None:
            if found.own_barcode is not None:
                barcode = self._own_barcode(found, barcode, is_contested=contested_barcode is not None)
            if found.own_status is not None:
                facts = facts._replace(status=found.own_status)
        if barcode is None and contested_barcode is not None:
            self._plan.warnings.append((claim.ordinal, BARCODE_IN_USE))
        facts = facts._replace(barcode=barcode)
        if row is not None and row.record_number not in self._of_record and row.deleted_at is None:
            self._plan.affected.add(row.record_number)
        columns = {
            "institution_id": self._branch_index.institution_id,
            "record_number": number,
            "branch_id": self._branch_index.branches[facts.branch][0],
            "position": position,
            "contested_barcode": contested_barcode,
            "is_fast_add": False,
            "is_own": False,
            "is_leaving": False,
            **{name: getattr(facts, name) for name in _FACTS},
        }
        if row is None:
            self._insert(claim, columns, facts, gone_item)
        else:
            self._update(claim, columns, facts, row)

    def _own_item(self, number: int, position: int, barcode: str | None) -> Any:
        """Return the claimed item if cataloguers own it or have removed it."""
        stored = self._stored
        if not barcode:
            row = stored.by_position.get((number, position))
            return row if row is not None and row.is_own and row.contested_barcode is None else None
        rows = (stored.wanting.get((number, barcode)), stored.by_source.get(barcode), stored.gone.get(barcode))
        return next((row for row in rows if row is not None and row.is_own), None)

    def _find_stored(
        self, number: int, position: int, barcode: str | None, contested_barcode: str | None
    ) -> tuple[Stored | None, Any]:
        """Find the stored item, or the gone item, of a claimed item: by its barcode, else by its position."""
        row = None
        if barcode is not None:
            row = self._stored.by_source.get(barcode)
            if row is None and barcode in self._stored.gone:
                return None, self._stored.gone[barcode]
        if row is None:
            row = self._stored.wanting.get((number, barcode or contested_barcode or ""))
        if row is None or row.id in self._taken:
            row = self._stored.by_position.get((number, position))
            row = None if row is None or row.is_own else row
        return (None if row is None or row.id in self._taken else row), None

    def _own_barcode(self, found: Any, barcode: str | None, *, is_contested: bool) -> str | None:
        """Return the barcode that staff gave an item, or that of the record if another item has it by now."""
        if not is_contested and found.source_barcode != barcode:
            self._plan.source_barcodes.append((found.id, barcode))
        holder = self._stored.by_barcode.get(found.own_barcode)
        own_barcode: str = found.own_barcode
        return own_barcode if holder is None or holder.id == found.id else barcode

    def _insert(self, claim: RecordItems, columns: dict[str, Any], facts: ItemFacts, gone_item: Any) -> None:
        """Plan a new row; a gone item gets its id again."""
        plan = self._plan
        item_id, version = (new_id(), 1) if gone_item is None else (gone_item.id, gone_item.version + 1)
        copy = copy_json(item_id, columns, record_id=claim.record_id, facts=claim.facts)
        plan.inserted.append(columns | {"id": item_id, "version": version, "last_published": digest_of(copy)})
        plan.copies.append(with_version(copy, version))
        plan.changed.add(claim.record_number)
        plan.visible.add(claim.record_number)
        if gone_item is not None:
            plan.returned.append(item_id)
        self._placed.append((claim.record_number, item_id, columns["branch_id"], facts))

    def _update(self, claim: RecordItems, columns: dict[str, Any], facts: ItemFacts, row: Stored) -> None:
        """Plan the row of a stored item that a record keeps or gets."""
        self._taken.add(row.id)
        self._placed.append((claim.record_number, row.id, columns["branch_id"], facts))
        different = self._change(row, columns, record_id=claim.record_id, facts=claim.facts)
        if different:
            self._plan.changed.add(claim.record_number)
        if row.access is None and not columns["access"] and columns["barcode"] is not None:
            different.discard("access")  # readers see no difference
        if not different.isdisjoint(VISIBLE):
            self._plan.visible.add(claim.record_number)

    def _change(self, row: Stored, columns: dict[str, Any], *, record_id: UUID, facts: RecordFacts) -> set[str]:
        """Plan the columns of a stored item; it gets a new version if its copy differs. Returns the columns that do."""
        copy = copy_json(row.id, columns, record_id=record_id, facts=facts)
        copy_digest = digest_of(copy)
        version = row.version + (copy_digest != row.last_published)
        stored = row._mapping
        different = {name for name, value in columns.items() if stored[name] != value}
        if copy_digest != row.last_published:
            self._plan.copies.append(with_version(copy, version))
        if different or copy_digest != row.last_published:
            self._plan.updated.append(columns | {"id": row.id, "version": version, "last_published": copy_digest})
        return different

    def _keep_items(self) -> None:
        """Keep items of claiming records that staff added or edited, or all; their copies are renewed."""
        codes = {branch_id: code for code, (branch_id, _) in self._branch_index.branches.items()}
        for row, claim in self._untaken():
            if claim.keeps_items or ((row.is_fast_add or row.is_own) and not (claim.is_deleted or claim.is_return)):
                columns = {name: row._mapping[name] for name in _COLUMNS}
                columns["access"] = columns["access"] or ""
                if row.is_leaving and (row.is_own or row.deleted_at is not None):  # its record comes back
                    columns |= {"status": staying_status_of(row), "is_leaving": False}
                facts = ItemFacts(branch=codes[row.branch_id], **{name: columns[name] for name in _FACTS})
                self._update(claim, columns, facts, row)

    def _untaken(self) -> list[tuple[Stored, RecordItems]]:
        """List the stored items of the claiming records that no claim has used."""
        rows = self._stored.rows.values()
        untaken = (row for row in rows if row.record_number in self._numbers and row.id not in self._taken)
        return [(row, self._of_record[row.record_number]) for row in untaken]

    def _release(self) -> None:
        """Remove the items that no record claims, but keep those out; give a barcode to an item that waits for it."""
        free = [(row, claim) for row, claim in self._untaken() if row.is_leaving or not claim.is_return]
        if not free:
            return
        waiting = self._load_waiting(sorted(filter(None, (source_barcode_of(row) for row, _claim in free))))
        states = load_states(self._session, [row.id for row, _claim in free])
        for row, claim in free:
            self._plan.changed.add(row.record_number)
            self._plan.visible.add(row.record_number)
            waiter = waiting.get(source_barcode_of(row) or "")
            if waiter is not None:
                self._hand_over(row, waiter)
            elif states.get(row.id, (IN, ""))[0] != IN:
                self._keep(row, claim)
            else:
                self._remove(row, source_barcode_of(row), claim.record_id, claim.facts, is_deletion=claim.is_deleted)

    def _load_waiting(self, barcodes: Sequence[str]) -> dict[str, Any]:
        """Return barcode -> the item of another record that waits for it, with its record's id and MARC."""
        waiting: dict[str, Any] = {}
        for chunk in in_parts(barcodes):
            statement = (
                select(*Item.__table__.columns, Record.id.label("record_id"), Record.marc)
                .join(Record, Record.number == Item.record_number)
                .where(Item.institution_id == self._branch_index.institution_id, Item.barcode.is_(None))
                .where(Item.contested_barcode.in_(chunk), Item.record_number.notin_(self._of_record))
                .order_by(Item.record_number.desc(), Item.position.desc())
            )
            waiting |= {row.contested_barcode: row for row in self._session.execute(statement)}
        return waiting

    def _hand_over(self, row: Stored, waiter: Any) -> None:
        """Give a free item, with its id and barcode, to the record of the item that waits for the barcode."""
        facts = facts_of_packed(waiter.marc)
        columns = {name: waiter._mapping[name] for name in _COLUMNS} | {
            "barcode": row.barcode,
            "status": row.own_status or waiter.status,
            "contested_barcode": None,
            "is_leaving": False,
        }
        self._change(row, columns, record_id=waiter.record_id, facts=facts)
        self._plan.affected.add(waiter.record_number)
        self._remove(waiter, None, waiter.record_id, facts)

    def _keep(self, row: Stored, claim: RecordItems) -> None:
        """Keep an item that is out as withdrawn; items.states removes it when it is returned."""
        columns = {name: row._mapping[name] for name in _COLUMNS} | {"status": "withdrawn", "is_leaving": True}
        self._plan.kept.add(row.id)
        self._change(row, columns, record_id=claim.record_id, facts=claim.facts)

    def _remove(
        self, row: Any, barcode: str | None, record_id: UUID, facts: RecordFacts, *, is_deletion: bool = False
    ) -> None:
        version = row.version + 1
        copy = with_version(copy_json(row.id, row._mapping, record_id=record_id, facts=facts), version, gone=True)
        values = {"id": row.id, "institution_id": row.institution_id, "barcode": barcode, "version": version}
        item = orjson.dumps({name: row._mapping[name] for name in _COLUMNS}) if is_deletion else None
        self._plan.gone.append(values | {"copy": copy, "item": item})
        self._plan.copies.append(copy)

    def _add_lending(self) -> None:
        """Add lending to the items. The records are locked, so states do not change until this transaction ends."""
        states = load_states(self._session, [*self._taken, *self._plan.returned])
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
    *("institution_id", "record_number", "branch_id", "position", "contested_barcode"),
    *("is_fast_add", "is_own", "is_leaving"),
    *_FACTS,
)
