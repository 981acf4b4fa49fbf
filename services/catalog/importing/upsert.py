"""Creates and updates records of a batch with their items, queue rows and one event per batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chassis.bus.events import emit
from chassis.context import Context
from chassis.database.sql import insert_ignore, update_many
from chassis.ids import new_id
from chassis.sentences import LocalText
from rangkiang.catalog.v1.events_pb2 import RecordsChanged
from services.catalog.browse.headings import HeadingWriter
from services.catalog.importing.changes import RecordChange, StoredRecord, remember, write_originals
from services.catalog.importing.decode import IncomingRecord, alternative_key
from services.catalog.importing.offers import put_offers
from services.catalog.index_queue import enqueue
from services.catalog.items.branches import BranchIndex, holdings_of, open_branches, resolve_branches
from services.catalog.items.events import emit_items
from services.catalog.items.identities import ItemPlan, RecordItems, plan_items, write_items
from services.catalog.items.lending import put_holdings
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.tables import (
    Branch,
    EditedRecord,
    ImportSeen,
    Institution,
    Record,
    Source,
    fresh_numbers,
)
from services.catalog.tables.institutions import HERE
from services.catalog.works.assignment import Assignment, KeyedRecord, assign_works, emit_moved_records, lock_works

NO_RUN = -1  # for a dry run and for a write that is not an import; such records are stored with run 0
ZONE = "Asia/Jakarta"  # of an institution that is not described yet
DUPLICATE_CONTROL_NUMBER = "DUPLICATE_CONTROL_NUMBER"
RECORD_EDITED_HERE = "RECORD_EDITED_HERE"


@dataclass(slots=True)
class ImportTarget:
    """The source that an import run writes to; ids are looked up once."""

    source_id: UUID
    source: str
    shelves: BranchIndex
    headings: HeadingWriter = field(default_factory=HeadingWriter)


@dataclass(slots=True)
class Outcome:
    """The result of a batch; warnings are (ordinal, code). kept: items of deleted records that are out."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    kept: int = 0
    items_created: int = 0
    items_changed: int = 0
    warnings: list[tuple[int, str]] = field(default_factory=list)
    new_branches: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Decision:
    """The decision on a batch. seen: records that this run has read for the first time and does not write.

    offered  new content of records that are edited here
    """

    touched: list[RecordChange] = field(default_factory=list)
    offered: list[RecordChange] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)


def open_target(session: Session, *, source: str, institution: str) -> ImportTarget:
    """Look up a source; create it under `institution` when it is new, and the institution with its code as name."""
    row = _source(session, source)
    if row is None:
        fresh = {"name_id": institution, "name_en": institution, "kind": "", "npp": "", "isil": "", "zone": ZONE}
        _make(session, Institution, {"id": new_id(), "code": institution, **fresh})
        owner_id = session.scalar(select(Institution.id).where(Institution.code == institution))
        _make(session, Source, {"id": new_id(), "institution_id": owner_id, "code": source})
        row = _source(session, source)
    assert row is not None
    source_id, owner = row
    rows = session.execute(
        select(Branch.code, Branch.id, Branch.name_id, Branch.name_en).where(Branch.institution_id == owner.id)
    )
    branches = {row.code: (row.id, LocalText(row.name_id, row.name_en)) for row in rows}
    return ImportTarget(source_id, source, BranchIndex(owner.id, owner.code, owner.zone, branches))


def _source(session: Session, code: str) -> tuple[UUID, Institution] | None:
    text = select(Source.id, Institution).join(Institution, Institution.id == Source.institution_id)
    row = session.execute(text.where(Source.code == code)).first()
    return None if row is None else (row[0], row[1])


def _make(session: Session, table: type[Institution | Source], row: dict[str, Any]) -> None:
    """Create the row unless it exists; two first imports of one source may run at the same time."""
    insert_ignore(session, table, [row], key=("code",))


def upsert_batch(
    session: Session,
    target: ImportTarget,
    batch: Sequence[IncomingRecord],
    *,
    run: int,
    sequence: int,
    at: datetime,
    context: Context,
    restores: bool = False,
    keeps_items: bool = False,
) -> Outcome:
    """Store at most BATCH records of one source.

    run       number of the import run: two different records under one key in one run are two records; or NO_RUN
    sequence  grows with each batch of the run: the version of the event
    restores  write records that are edited here too: the batch has their own content; keeps_items: but no items
    emits     RecordsChanged and ItemsChanged, when anything changed; InstitutionsChanged for new branches
    """
    lock_source(session, target.source_id)
    for incoming in batch:
        incoming.items = resolve_branches(target.shelves, incoming.items)
    items = (item for incoming in batch for item in incoming.items)
    new_branches = open_branches(session, target.shelves, items, context=context)
    stored = stored_records(session, target.source_id, batch, run)
    if restores:
        stored = {key: replace(row, is_edited=False, fingerprint=b"") for key, row in stored.items()}
    decision = decide(stored, batch, iter(fresh_numbers(session, Record.number, len(batch))))
    plan = write_changes(
        session, target, decision, run=run, sequence=sequence, at=at, context=context, keeps_items=keeps_items
    )
    created = sum(change.fresh for change in decision.touched)
    claimed = sum(len(change.incoming.items) for change in decision.touched)
    updated, unchanged = len(decision.touched) - created, len(batch) - len(decision.touched)
    return Outcome(
        created, updated, unchanged, items_created=len(plan.inserted), items_changed=claimed - len(plan.inserted),
        warnings=plan.warnings, new_branches=new_branches,
    )  # fmt: skip


def lock_source(session: Session, source_id: UUID) -> None:
    """Lock works, then the source: two imports of one source, or an import and an edit, alternate."""
    lock_works(session)
    session.execute(select(Source.id).where(Source.id == source_id).with_for_update())


def write_changes(
    session: Session,
    target: ImportTarget,
    decision: Decision,
    *,
    run: int,
    sequence: int,
    at: datetime,
    context: Context,
    act: str = "",
    keeps_items: bool = False,
) -> ItemPlan:
    """Write what was decided, with items, works, headings, index queue and events.

    The caller has called lock_source. The branches of the items exist.

    returns      the plan of the items, with the warnings of the decision
    act          aggregate id of the event, whose version is `sequence`; by default the run
    keeps_items  the records keep the items they have, whatever items their fields name
    """
    arrivals = [
        KeyedRecord(change.row.number, change.incoming.record_keys.keys, change.fresh) for change in decision.touched
    ]
    if run > 0:
        changed = [change.row.number for change in decision.touched if not change.fresh]
        remember(session, run, changed, [change.row.number for change in decision.offered])
    works = assign_works(session, arrivals)
    claims = [
        RecordItems(
            change.row.number,
            change.row.id,
            change.incoming.ordinal,
            change.incoming.items,
            change.incoming.facts,
            change.fresh,
            keeps_items=keeps_items,
        )
        for change in decision.touched
    ]
    claims += _offer(session, target, decision.offered, at)
    plan = plan_items(session, target.shelves, claims)
    _write(session, target, decision, works.assignments, plan, run, at)
    target.headings.add(session, (change.incoming.record_keys.headings for change in decision.touched))
    write_items(session, plan, at=at)
    plan.warnings[:0] = decision.warnings
    if decision.seen:
        session.execute(insert(ImportSeen), [{"run": run, "record_number": number} for number in decision.seen])
    if decision.touched:
        versions = ((change.row.number, change.version + change.row.index_changes) for change in decision.touched)
        enqueue(session, [*versions, *works.moved])
        event = RecordsChanged(
            source=target.source,
            record_ids=[str(change.row.id) for change in decision.touched],
            versions=[change.version for change in decision.touched],
        )
        emit(session, event, aggregate_id=act or f"import-run:{run}", version=sequence, context=context)
        emit_moved_records(session, works.moved, context=context)
    offered = {change.row.number for change in decision.offered}
    put_holdings(session, plan.affected | (plan.visible & offered), at=at, context=context)
    emit_items(session, plan.copies, context=context)
    return plan


def _offer(session: Session, target: ImportTarget, offered: Sequence[RecordChange], at: datetime) -> list[RecordItems]:
    """Make offers for records that are edited here. Returns their items, which the import still brings."""
    brought = {change.row.number: (change.incoming.fingerprint, change.incoming.marc) for change in offered}
    contents = put_offers(session, target.shelves.institution_id, brought, at=at)
    return [
        RecordItems(
            change.row.number,
            change.row.id,
            change.incoming.ordinal,
            change.incoming.items,
            facts_of_packed(contents[change.row.number]),
            fresh=False,
        )
        for change in offered
        if change.row.number in contents
    ]


def decide(stored: dict[str, StoredRecord], batch: Sequence[IncomingRecord], numbers: Iterator[int]) -> Decision:
    """Decide for each record of a batch whether it is new, changed or unchanged, and update `stored`.

    The second of two different records under one key in one run is another record, stored under the key and its hash;
    only a later run updates.
    """
    decision = Decision()
    for incoming in batch:
        row, key = stored.get(incoming.key), incoming.key
        if row is not None and row.fingerprint != incoming.fingerprint:
            other = stored.get(alternative_key(incoming))
            if other is not None:
                row = other
            elif row.in_this_run:
                row, key = None, alternative_key(incoming)
                decision.warnings.append((incoming.ordinal, DUPLICATE_CONTROL_NUMBER))
        if row is None:
            row = stored[key] = StoredRecord(next(numbers), new_id(), incoming.fingerprint, 1, 0, in_this_run=True)
            decision.touched.append(RecordChange(row, key, incoming, 1, fresh=True))
        elif row.fingerprint != incoming.fingerprint and row.is_edited:
            row.fingerprint = incoming.fingerprint
            decision.offered.append(RecordChange(row, key, incoming, row.version, fresh=False))
            decision.warnings.append((incoming.ordinal, RECORD_EDITED_HERE))
            if not row.in_this_run:
                row.in_this_run = True
                decision.seen.append(row.number)
        elif row.fingerprint != incoming.fingerprint:
            row.fingerprint, row.version, row.in_this_run = incoming.fingerprint, row.version + 1, True
            row.is_deleted = False
            decision.touched.append(RecordChange(row, key, incoming, row.version, fresh=False))
        elif not row.in_this_run:
            row.in_this_run = True
            decision.seen.append(row.number)
    return decision


def stored_records(
    session: Session, source_id: UUID | None, batch: Sequence[IncomingRecord], run: int
) -> dict[str, StoredRecord]:
    """Return the stored records with the keys of this batch; the source's row lock keeps the result valid."""
    columns = (
        *(Record.control_key, Record.number, Record.id, Record.fingerprint),
        *(Record.version, Record.index_changes, Record.run, EditedRecord.imported),
    )
    of_source = select(*columns).outerjoin(EditedRecord, EditedRecord.record_number == Record.number)
    of_source = of_source.where(Record.source_id == source_id)
    is_here = session.scalar(select(Source.owner).where(Source.id == source_id)) == HERE
    times = Counter(incoming.key for incoming in batch)
    rows = list(session.execute(of_source.where(Record.control_key.in_(times))))
    # Alternative keys are needed only where another record has the key; a dry run keeps them in memory.
    taken = {row.control_key: row.imported or row.fingerprint for row in rows}
    doubtful = [
        alternative_key(incoming)
        for incoming in batch
        if run <= 0 or times[incoming.key] > 1 or taken.get(incoming.key, incoming.fingerprint) != incoming.fingerprint
    ]
    if doubtful:
        rows += session.execute(of_source.where(Record.control_key.in_(doubtful)))
    elsewhen = [row.number for row in rows if row.run != run]
    seen_here = select(ImportSeen.record_number).where(ImportSeen.run == run, ImportSeen.record_number.in_(elsewhen))
    seen = set(session.scalars(seen_here)) if elsewhen else set()
    return {
        row.control_key: StoredRecord(
            row.number,
            row.id,
            row.imported or row.fingerprint,
            row.version,
            row.index_changes,
            row.run == run or row.number in seen,
            is_edited=is_here or row.imported is not None,
        )
        for row in rows
    }


def _write(
    session: Session,
    target: ImportTarget,
    decision: Decision,
    assignments: dict[int, Assignment],
    plan: ItemPlan,
    run: int,
    at: datetime,
) -> None:
    created: list[dict[str, Any]] = []
    updated: list[dict[str, Any]] = []
    for change in decision.touched:
        keys, place = change.incoming.record_keys, assignments[change.row.number]
        row: dict[str, Any] = {
            "fingerprint": change.incoming.fingerprint,
            "marc": change.incoming.marc,
            "brief": change.incoming.brief,
            "holdings": holdings_of(target.shelves, plan.items[change.row.number]),
            "version": change.version,
            "marc_version": change.version,
            "run": max(run, 0),
            "updated_at": at,
            "deleted_at": None,
            "work_number": place.work,
            "work_keys": place.keys,
            "title_sort": keys.title_sort,
            "author_sort": keys.author_sort,
            "standard_number": keys.standard_number,
        }
        if change.fresh:
            row |= {
                "number": change.row.number,
                "id": change.row.id,
                "institution_id": target.shelves.institution_id,
                "source_id": target.source_id,
                "control_key": change.key,
            }
            created.append(row)
        else:
            updated.append(row | {"number": change.row.number})
    if created:
        session.execute(insert(Record.__table__), created)  # type: ignore[arg-type]
    update_many(session, Record, updated, key="number")
    write_originals(session, target.shelves.institution_id, decision.touched)
