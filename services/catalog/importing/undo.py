"""Undoes an import run: removes the records that it created, and restores those that it changed or deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Conflict, Refused
from chassis.ids import earliest_id, new_id, parse_id
from chassis.service import Resources
from services.catalog.importing.decode import IncomingRecord, incoming_of
from services.catalog.importing.deletion import ATTEMPTS, BATCH, delete_records
from services.catalog.importing.dropped_sources import restore_items
from services.catalog.importing.import_tasks import IMPORT
from services.catalog.importing.runs import finish_run
from services.catalog.importing.sources import item_map_of, refuse_dropped
from services.catalog.importing.upsert import NO_RUN, ImportTarget, lock_source, open_target, upsert_batch
from services.catalog.items.item_maps import ItemMap
from services.catalog.items.lending import IN
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import (
    Accession,
    EditedRecord,
    GoneItem,
    ImportChange,
    ImportRun,
    Institution,
    Item,
    ItemOverride,
    ItemState,
    Record,
    Source,
    Task,
)
from services.catalog.tasks import (
    OPEN,
    Finding,
    Progress,
    TaskCancelled,
    add_task,
    arguments_of,
    get_task,
    report_of,
)

UNDO = "import_undo"
UNDOING = "undoing"
ITEM_OUT, OWN_ITEMS = "UNDO_ITEM_OUT", "UNDO_OWN_ITEMS"
CHANGED_SINCE, OFFER = "UNDO_CHANGED_SINCE", "UNDO_OFFER_WITHDRAWN"


def start_undo(session: Session, import_id: str, *, context: Context) -> Task:
    """Add the task that undoes an import.

    raises  NotFound  TASK_NOT_FOUND
            Refused   TASK_NOT_UNDONE: it is no import, has not ended or has changed nothing; UNDO_TOO_LATE: its source
                      was imported again, or dropped; TASKS_TOO_MANY
    """
    task = get_task(session, import_id, institution=context.institution)
    run = report_of(task).get("run", 0)
    if task.kind != IMPORT or task.state in OPEN or not run:
        raise Refused("TASK_NOT_UNDONE", kind=task.kind, state=task.state)
    _find_run(session, run)
    names = ("source", "file")
    arguments = {name: arguments_of(task).get(name, "") for name in names} | {"follows": str(task.id), "run": run}
    return add_task(session, UNDO, arguments, institution_id=parse_id(context.institution), context=context)


def undo_import(resources: Resources, task: Task, progress: Progress) -> Mapping[str, Any]:
    """Undo an import, batch by batch; killed, it continues with what is still there.

    A record stays as it is, and is named, when an item of it is out, or when staff have edited it or given it items.

    raises  Refused  UNDO_TOO_LATE
    """
    return _Undo(resources.database, task, progress).run()


@dataclass(slots=True)
class _Row:
    """A record of the run. change: what it was before; None of a record that the run created. is_new: by its id."""

    record: Any
    change: ImportChange | None
    is_new: bool


@dataclass(slots=True)
class _Batch:
    """What to do with the records of a batch."""

    remove: list[int] = field(default_factory=list)
    restore: list[_Row] = field(default_factory=list)
    offers: list[_Row] = field(default_factory=list)
    kept: set[int] = field(default_factory=set)


class _Undo:
    def __init__(self, database: Database, task: Task, progress: Progress) -> None:
        self._database, self._task, self._progress = database, task, progress
        self._context = replace(system("import"), actor=task.actor)
        report = report_of(task)
        # Records that stay are met again after a kill, and by another undo.
        self._report = {"created": report.get("created", 0), "updated": report.get("updated", 0), "kept": 0}
        with database.transaction(self._context) as session:
            self._run = _find_run(session, arguments_of(task)["run"])
            self._first_id = earliest_id(self._run.started_at)
            finish_run(session, self._run.number)  # of a killed command: it must not continue
            columns = select(Source.code, Institution.code).join(Institution)
            self._source, self._institution = session.execute(columns.where(Source.id == self._run.source_id)).one()
            self._item_map: ItemMap = item_map_of(session, self._source)
            self._left = session.scalar(select(func.count()).select_from(self._records().subquery())) or 0
        self._total: int = self._left + self._report["created"] + self._report["updated"]

    def run(self) -> Mapping[str, Any]:
        after = -1
        while True:
            for attempt in range(1, ATTEMPTS + 1):
                before = dict(self._report)
                try:
                    with self._database.transaction(self._context) as session:
                        last = self._undo_batch(session, after)
                        is_cancelled = self._save(session)
                except Conflict as problem:
                    self._report = before
                    if problem.reason != "WRITE_CONFLICT" or attempt == ATTEMPTS:
                        raise
                else:
                    break
            if last is None:
                return self._report
            after = last
            if is_cancelled:
                raise TaskCancelled
            self._progress.save(UNDOING, self._done(), self._total, self._report)

    def _done(self) -> int:
        return int(min(self._total, sum(self._report.values())))

    def _save(self, session: Session) -> bool:
        return self._progress.save_in(session, UNDOING, self._done(), self._total, self._report)

    def _records(self) -> Any:
        """Select the records of the run: those with a change, and those that it created."""
        run = self._run
        change = (ImportChange.record_number == Record.number, ImportChange.run == run.number)
        columns = (
            *(Record.number, Record.id, Record.control_key, Record.brief, Record.marc, Record.version, Record.run),
            *(Record.deleted_at, exists().where(EditedRecord.record_number == Record.number).label("is_edited")),
        )
        of_run = select(*columns).outerjoin(ImportChange, (change[0]) & (change[1]))
        is_new = (Record.id >= self._first_id) & Record.deleted_at.is_(None)
        is_of_run = or_(ImportChange.run.is_not(None), is_new)
        return of_run.where(Record.source_id == run.source_id, is_of_run)

    def _undo_batch(self, session: Session, after: int) -> int | None:
        """Undo the next records. Returns the number of the last one; None when there was none."""
        target = open_target(session, source=self._source, institution=self._institution)
        lock_source(session, target.source_id)
        refuse_dropped(session, target.source_id, self._source)
        statement = self._records().where(Record.number > after).order_by(Record.number).limit(BATCH)
        records = session.execute(statement).all()
        if not records:
            return None
        numbers = [record.number for record in records]
        of_batch = (ImportChange.run == self._run.number, ImportChange.record_number.in_(numbers))
        changes = {change.record_number: change for change in session.scalars(select(ImportChange).where(*of_batch))}
        rows = [_Row(record, changes.get(record.number), record.id >= self._first_id) for record in records]
        batch = self._divide(session, rows)
        removed = delete_records(
            session, target, batch.remove, at=clock.now(), act=f"import-undo:{self._task.id}", sequence=after + 2,
            context=self._context,
        )  # fmt: skip
        self._restore(session, target, batch.restore, sequence=after + 2)
        self._withdraw_offers(session, batch)
        is_done = ImportChange.record_number.not_in(batch.kept)
        session.execute(delete(ImportChange).where(*of_batch, is_done).execution_options(synchronize_session=False))
        self._report["created"] += removed.records
        self._report["updated"] += len(batch.restore)
        return int(numbers[-1])

    def _divide(self, session: Session, rows: Sequence[_Row]) -> _Batch:
        batch = _Batch()
        items = self._items(session, [row.record.number for row in rows])
        for row in rows:
            record, change = row.record, row.change
            goes = row.is_new or change is None or change.before is None
            of_record = items.get(record.number, [])
            brought = [item for item in of_record if goes or item.id >= self._first_id]
            out = [item.barcode for item in brought if item.state not in (None, IN)]
            if change is not None and change.is_offer:
                batch.offers.append(row)
            elif change is not None and record.deleted_at is not None:
                if change.version != record.version:
                    self._keep(batch, record, CHANGED_SINCE, record.control_key)
                elif change.before is not None and not row.is_new:
                    batch.restore.append(row)
            elif record.run != self._run.number:
                self._keep(batch, record, CHANGED_SINCE, record.control_key)
            elif out:
                for barcode in out:
                    self._keep(batch, record, ITEM_OUT, barcode or record.control_key)
            elif any(self._is_own(item, row, goes) for item in brought):
                self._keep(batch, record, OWN_ITEMS, record.control_key)
            elif goes and record.is_edited:
                self._keep(batch, record, CHANGED_SINCE, record.control_key)
            elif goes:
                batch.remove.append(record.number)
            else:
                batch.restore.append(row)
        return batch

    def _is_own(self, item: Any, row: _Row, goes: bool) -> bool:
        """Return whether the undo would lose work of staff. An older item of a new record was claimed by the run."""
        is_claimed = row.is_new and item.id < self._first_id
        return bool(item.has_values or is_claimed or (goes and item.is_of_staff))

    def _keep(self, batch: _Batch, record: Any, reason: str, key: str) -> None:
        title = orjson.loads(record.brief)["title"][:120]
        self._progress.add(Finding(0, reason, key, 0, title, str(record.id)))
        self._report["kept"] += 1
        if reason != OFFER:
            batch.kept.add(record.number)

    def _items(self, session: Session, numbers: Sequence[int]) -> dict[int, list[Any]]:
        """Return record number -> items. has_values: staff gave it a barcode, a status or an accession number."""
        has_values = exists().where(ItemOverride.item_id == Item.id) | exists().where(Accession.item_id == Item.id)
        is_of_staff = or_(Item.is_own, Item.is_fast_add)
        columns = (Item.record_number, Item.id, Item.barcode, ItemState.state)
        statement = select(*columns, has_values.label("has_values"), is_of_staff.label("is_of_staff"))
        statement = statement.outerjoin(ItemState, ItemState.item_id == Item.id).where(Item.record_number.in_(numbers))
        items: dict[int, list[Any]] = {}
        for item in session.execute(statement):
            items.setdefault(item.record_number, []).append(item)
        return items

    def _restore(self, session: Session, target: ImportTarget, rows: Sequence[_Row], *, sequence: int) -> None:
        """Write the content of before, with its items as imports bring them; items of staff as they were."""
        deleted = [row.record.number for row in rows if row.record.deleted_at is not None]
        restore_items(session, _gone_items(session, self._run, deleted))
        incoming = [self._incoming(row) for row in rows]
        if incoming:
            upsert_batch(
                session, target, incoming, run=NO_RUN, sequence=sequence, at=clock.now(), context=self._context,
                restores=True,
            )  # fmt: skip

    def _incoming(self, row: _Row) -> IncomingRecord:
        assert row.change is not None
        assert row.change.before is not None
        record = incoming_of(Marc.unpack(row.change.before), self._institution, self._item_map)
        record.key, record.deletes = row.record.control_key, False
        if row.change.format is not None and row.change.raw is not None:
            record.original = row.change.format, row.change.raw
        return record

    def _withdraw_offers(self, session: Session, batch: _Batch) -> None:
        """Put back the offers of before, where the run's offer is still open; the items that the run brought stay."""
        for row in batch.offers:
            change = row.change
            assert change is not None
            offer_id = None if change.before is None else new_id()
            offered_at = None if offer_id is None else clock.now()
            values = {"offer_id": offer_id, "offer": change.before, "offered_at": offered_at}
            values |= {} if change.imported is None else {"imported": change.imported}
            is_open = (EditedRecord.offer_id.is_not(None), EditedRecord.offered_at >= self._run.started_at)
            of_record = update(EditedRecord).where(EditedRecord.record_number == row.record.number, *is_open)
            withdrawn = session.execute(of_record.values(values).returning(EditedRecord.record_number)).first()
            self._keep(batch, row.record, CHANGED_SINCE if withdrawn is None else OFFER, row.record.control_key)


def _find_run(session: Session, number: int) -> ImportRun:
    """Return a run that is the last of its source. Raises Refused UNDO_TOO_LATE."""
    run = session.get(ImportRun, number)
    if run is not None:
        later = select(ImportRun.number).where(ImportRun.source_id == run.source_id, ImportRun.number > number)
        is_dropped = select(Source.id).where(Source.id == run.source_id, Source.dropped_at.is_not(None))
        if session.scalar(later.limit(1)) is None and session.scalar(is_dropped) is None:
            return run
    raise Refused("UNDO_TOO_LATE")


def _gone_items(session: Session, run: ImportRun, numbers: Sequence[int]) -> list[UUID]:
    """Return the ids of items of staff that the run has removed with their records."""
    if not numbers:
        return []
    wanted, ids = set(numbers), []
    of_run = (GoneItem.institution_id == _institution_of(run, session), GoneItem.gone_at >= run.started_at)
    for row in session.execute(select(GoneItem.id, GoneItem.item).where(*of_run, GoneItem.item.is_not(None))):
        item = orjson.loads(row.item)
        if item["record_number"] in wanted and (item["is_own"] or item["is_fast_add"]):
            ids.append(row.id)
    return ids


def _institution_of(run: ImportRun, session: Session) -> Any:
    return session.scalar(select(Source.institution_id).where(Source.id == run.source_id))
