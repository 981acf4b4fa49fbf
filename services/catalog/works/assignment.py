"""Assigns records to works by their keys, in the transaction that writes them; merges and separates works."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, or_, select, text, update
from sqlalchemy.orm import Session

from chassis.bus.events import emit
from chassis.context import Context
from chassis.database.sql import in_parts
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import RecordsChanged
from services.catalog.tables import Record, Source, Work, WorkKey, WorkRuling, fresh_numbers
from services.catalog.works.keys import pack, unpack

FIRST_TEMPORARY = 1 << 62  # temporary numbers of this batch's new works, until all merges are known
# Advisory lock of PostgreSQL, because two transactions that assign one new key at a time would create two works.
WORKS_LOCK = 4_210_001
# A work with more records is not separated when one of them changes, because to read them all takes too long.
MOST_SEPARATED = 2_000
RECORDS_PER_EVENT = 500
_works: Any = Work.__table__
_work_keys: Any = WorkKey.__table__


@dataclass(slots=True)
class WorkSets:
    """The works of this batch's keys, and their changes.

    works   known key -> work; `add` extends it
    fresh   new keys of the batch
    merged  work -> the lower work that it was merged into
    """

    works: dict[int, int] = field(default_factory=dict)
    fresh: list[int] = field(default_factory=list)
    merged: dict[int, int] = field(default_factory=dict)
    _new_count: int = 0

    def root(self, work: int) -> int:
        """Return the work that this one was merged into, or itself."""
        while (lower := self.merged.get(work)) is not None:
            work = lower
        return work

    def new_work(self) -> int:
        self._new_count += 1
        return FIRST_TEMPORARY + self._new_count

    def add(self, keys: Iterable[int], current: int | None) -> int:
        """Return the work of a record with these keys; works that the record connects are merged into the lowest.

        current  the record's present work, if it has one
        """
        works, unknown = self.works, []
        roots = set() if current is None else {self.root(current)}
        for key in keys:
            work = works.get(key)
            if work is None:
                unknown.append(key)
            else:
                roots.add(self.root(work))
        lowest = min(roots) if roots else self.new_work()
        for root in roots:
            if root != lowest:
                self.merged[root] = lowest
        for key in unknown:
            works[key] = lowest
        self.fresh += unknown
        return lowest


def connected_parts(members: Sequence[tuple[int, tuple[int, ...]]]) -> list[list[int]]:
    """Return the connected parts of records, given as (number, keys): lists of numbers, that with the lowest first."""
    sets = WorkSets()
    assigned = [(number, sets.add(keys, None)) for number, keys in members]
    values: dict[int, list[int]] = {}
    for number, work in assigned:
        values.setdefault(sets.root(work), []).append(number)
    return sorted(values.values(), key=min)


def all_keys(members: Sequence[tuple[int, tuple[int, ...]]]) -> set[int]:
    return {key for _number, keys in members for key in keys}


def final_numbers(temporary: Iterable[int], numbers: Iterable[int]) -> Mapping[int, int]:
    """Return temporary -> final numbers of the new works that remain."""
    return dict(zip(sorted(temporary), numbers, strict=False))


class KeyedRecord(NamedTuple):
    """A new or changed record. keys: numbers of works.keys; fresh: it has no row yet."""

    number: int
    keys: tuple[int, ...]
    fresh: bool


class Assignment(NamedTuple):
    """The values of a record's row: records.work_number and work_keys."""

    work: int
    keys: bytes


class MovedRecord(NamedTuple):
    """A record that was moved to another work, with its new version; its row is already written."""

    number: int
    version: int


@dataclass(slots=True)
class AssignmentResult:
    """The assignments by record number, and the other records that moved, which the index and other services need."""

    assignments: dict[int, Assignment] = field(default_factory=dict)
    moved: list[MovedRecord] = field(default_factory=list)


class _StoredAssignment(NamedTuple):
    work: int | None
    keys: tuple[int, ...]
    ruled: bool


def lock_works(session: Session) -> None:
    """Lock the assignment of works until the transaction ends. Call it first, before any row is locked."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": WORKS_LOCK})


def assign_works(session: Session, arrivals: Sequence[KeyedRecord]) -> AssignmentResult:
    """Find or create the work of each record. The caller holds lock_works.

    When a record connects two works, the younger is merged into the older. A changed record first leaves its work, and
    records that only it connected are separated. A record with a ruling stays where the ruling put it.
    """
    result = AssignmentResult()
    assignments = _stored_assignments(session, [arrival.number for arrival in arrivals if not arrival.fresh])
    leaving = {
        arrival.number: stored
        for arrival in arrivals
        if (stored := assignments.get(arrival.number))
        and stored.work is not None
        and not set(stored.keys) <= set(arrival.keys)
    }
    current_works = {number: stored.work for number, stored in assignments.items() if number not in leaving}
    current_works |= _detach(session, leaving, result)
    sets = WorkSets(_works_under(session, {key for arrival in arrivals for key in arrival.keys}))
    works_of: dict[int, tuple[int, bytes]] = {}
    for row in arrivals:
        stored = assignments.get(row.number)
        if stored is not None and stored.ruled:
            work = stored.work if stored.work is not None else _ruled_work(session, row.number) or sets.new_work()
            works_of[row.number] = work, b""
        else:
            works_of[row.number] = sets.add(row.keys, current_works.get(row.number)), pack(row.keys)
    roots = _write(session, sets, [work for work, _keys in works_of.values()], result)
    result.assignments = {number: Assignment(roots[sets.root(work)], keys) for number, (work, keys) in works_of.items()}
    assigned = set(result.assignments)
    result.moved = [row for row in result.moved if row.number not in assigned]
    return result


class StoredWork(NamedTuple):
    """A work whose records are regrouped: its number, the old keys of its records, and record -> new keys."""

    number: int
    old_keys: frozenset[int]
    keys: Mapping[int, tuple[int, ...]]


def regroup_works(session: Session, works: Sequence[StoredWork]) -> AssignmentResult:
    """Assign all records of these works again, by new keys; the caller holds lock_works and writes the assignments.

    The part with the lowest record keeps the work, and so its id; each other part gets a new work. `moved` has the
    records of other works that were merged with these.
    """
    result = AssignmentResult()
    _forget(session, {key for work in works for key in work.old_keys})
    sets = WorkSets(_works_under(session, {key for work in works for keys in work.keys.values() for key in keys}))
    assigned: dict[int, int] = {}
    for work in works:
        for position, numbers in enumerate(connected_parts(list(work.keys.items()))):
            place = None if position else work.number
            for number in numbers:
                place = assigned[number] = sets.add(work.keys[number], place)
    roots = _write(session, sets, list(assigned.values()), result)
    for work in works:
        for number, keys in work.keys.items():
            result.assignments[number] = Assignment(roots[sets.root(assigned[number])], pack(keys))
    result.moved = [record for record in result.moved if record.number not in assigned]
    return result


def remove_records(session: Session, numbers: Sequence[int]) -> list[MovedRecord]:
    """Remove records from their works, and separate records that only they connected.

    The caller changes the rows of the removed records.

    returns  the other records that moved
    """
    result = AssignmentResult()
    assignments = _stored_assignments(session, numbers)
    _detach(session, {number: stored for number, stored in assignments.items() if stored.work is not None}, result)
    values = set(numbers)
    return [record for record in result.moved if record.number not in values]


def new_works(session: Session, count: int) -> list[int]:
    """Insert new works and return their numbers."""
    if not count:
        return []
    numbers = fresh_numbers(session, Work.number, count)
    session.execute(insert(_works), [{"number": number, "id": new_id()} for number in numbers])
    return numbers


def _stored_assignments(session: Session, numbers: Sequence[int]) -> dict[int, _StoredAssignment]:
    if not numbers:
        return {}
    ruled = set(session.scalars(select(WorkRuling.record_number).where(WorkRuling.record_number.in_(numbers))))
    rows = session.execute(
        select(Record.number, Record.work_number, Record.work_keys).where(Record.number.in_(numbers))
    )
    return {number: _StoredAssignment(work, unpack(keys), number in ruled) for number, work, keys in rows}


def _detach(
    session: Session, leaving_records: dict[int, _StoredAssignment], result: AssignmentResult
) -> dict[int, int | None]:
    """Delete the keys of these records from their works. Returns record -> work, for works with no other record."""
    lone_works: dict[int, int | None] = {}
    by_work: dict[int, list[int]] = {}
    for number, stored in leaving_records.items():
        if stored.work is not None:
            by_work.setdefault(stored.work, []).append(number)
    remains = select(Record.work_number).where(Record.work_number.in_(by_work), Record.deleted_at.is_(None))
    shared = set(session.scalars(remains.where(Record.number.not_in(leaving_records)).distinct())) if by_work else set()
    forgotten: set[int] = set()
    for work, leaving in by_work.items():
        if work not in shared:
            lone_works[min(leaving)] = work
            forgotten.update(key for number in leaving for key in leaving_records[number].keys)
            continue
        rows = session.execute(
            select(Record.number, Record.work_keys)
            .where(Record.work_number == work, Record.number.not_in(leaving), Record.deleted_at.is_(None))
            .order_by(Record.number)
            .limit(MOST_SEPARATED + 1)
        ).all()
        if len(rows) > MOST_SEPARATED:
            continue
        remaining = [(number, keys) for number, packed in rows if (keys := unpack(packed))]
        _forget(session, {key for number in leaving for key in leaving_records[number].keys} - all_keys(remaining))
        _separate(session, remaining, result)
    _forget(session, forgotten)
    return lone_works


def _separate(session: Session, members: Sequence[tuple[int, tuple[int, ...]]], result: AssignmentResult) -> None:
    """Move each connected part except the first to a new work."""
    keys = dict(members)
    new_parts = connected_parts(members)[1:]
    for numbers, work in zip(new_parts, new_works(session, len(new_parts)), strict=True):
        _move(session, Record.number.in_(numbers), work, result)
        part_keys = {key for number in numbers for key in keys[number]}
        session.execute(update(WorkKey).where(WorkKey.key.in_(part_keys)).values(work_number=work))


def _forget(session: Session, keys: set[int]) -> None:
    for part in in_parts(sorted(keys)):
        session.execute(delete(WorkKey).where(WorkKey.key.in_(part)))


def _move(session: Session, which: Any, work: int, result: AssignmentResult) -> None:
    moved = (
        update(Record)
        .where(which)
        .values(work_number=work, version=Record.version + 1)
        .returning(Record.number, Record.version + Record.index_changes)
        .execution_options(synchronize_session=False)
    )
    result.moved += [MovedRecord(number, version) for number, version in session.execute(moved)]


def _works_under(session: Session, keys: set[int]) -> dict[int, int]:
    if not keys:
        return {}
    statement = select(WorkKey.key, func.coalesce(Work.merged_into, Work.number)).join(
        Work, Work.number == WorkKey.work_number
    )
    return dict(session.execute(statement.where(WorkKey.key.in_(keys))).all())


def _ruled_work(session: Session, number: int) -> int | None:
    """Return the work of the newest ruling on a record; None for a work of its own."""
    newest = session.scalars(
        select(WorkRuling).where(WorkRuling.record_number == number).order_by(WorkRuling.id.desc()).limit(1)
    ).first()
    if newest is None or newest.ruling != "together":
        return None
    return session.scalar(select(func.coalesce(Work.merged_into, Work.number)).where(Work.number == newest.work_number))


def _write(session: Session, sets: WorkSets, used: Sequence[int], result: AssignmentResult) -> dict[int, int]:
    """Write new works, merged works and keys. Returns root of the sets -> number of its work."""
    roots = {sets.root(work) for work in used}
    temporary = {work for work in roots if work > FIRST_TEMPORARY}
    numbers = dict(final_numbers(temporary, new_works(session, len(temporary))))
    number_of = {root: numbers.get(root, root) for root in roots}
    if sets.fresh:
        rows = [{"key": key, "work_number": number_of[sets.root(sets.works[key])]} for key in sets.fresh]
        session.execute(insert(_work_keys), rows)
    for younger in sets.merged:
        if younger < FIRST_TEMPORARY:
            older = sets.root(younger)
            condition = or_(Work.number == younger, Work.merged_into == younger)
            session.execute(update(Work).where(condition).values(merged_into=older))
            _move(session, Record.work_number == younger, older, result)
    return number_of


def emit_moved_records(session: Session, moved: Sequence[MovedRecord], *, context: Context) -> None:
    """Emit one event for at most 500 records of a source.

    emits  RecordsChanged
    """
    for at in range(0, len(moved), RECORDS_PER_EVENT):
        numbers = [record.number for record in moved[at : at + RECORDS_PER_EVENT]]
        rows = session.execute(
            select(Record.id, Record.version, Source.code)
            .join(Source, Source.id == Record.source_id)
            .where(Record.number.in_(numbers))
            .order_by(Record.number)
        ).all()
        for source in sorted({row.code for row in rows}):
            changed = [row for row in rows if row.code == source]
            event = RecordsChanged(
                source=source, record_ids=[str(row.id) for row in changed], versions=[row.version for row in changed]
            )
            emit(session, event, aggregate_id=f"works:{new_id()}", version=1, context=context)
