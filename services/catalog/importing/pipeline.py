"""Imports MARC files: streaming, resumable, idempotent. Records that cannot be loaded are rejected with a reason."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

import orjson
from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from chassis import clock
from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Conflict, Unavailable
from services.catalog.importing import rejected_records
from services.catalog.importing.authorities import AuthorityDecision, store_authorities
from services.catalog.importing.authorities import decide as decide_authorities
from services.catalog.importing.changes import StoredRecord, count_items
from services.catalog.importing.decode import (
    BATCH,
    IncomingAuthority,
    IncomingRecord,
    PreparedBatch,
    Rejected,
    alternative_key,
    follow_parent,
    path_text,
    prepare,
    read_chunks,
)
from services.catalog.importing.deletion import (
    ATTEMPTS,
    count_out,
    delete_records,
    divide,
    live_numbers,
    simulate_deletions,
)
from services.catalog.importing.file_kinds import kind_of, peek, size_of
from services.catalog.importing.findings import problems_of
from services.catalog.importing.missing_records import MissingRecords, met_numbers
from services.catalog.importing.runs import Counts, finish_run, open_run, save_run
from services.catalog.importing.sources import check_source, item_map_of, refuse_dropped, use_again
from services.catalog.importing.upsert import (
    NO_RUN,
    ImportTarget,
    Outcome,
    decide,
    open_target,
    stored_records,
    upsert_batch,
)
from services.catalog.items.item_maps import USUAL
from services.catalog.marc.readers import Frame
from services.catalog.tables import Source

log = logging.getLogger(__name__)

IN_FLIGHT = 3  # chunks being decoded at once
MOST_SHOWN = 200  # bytes of a file without MARC, in the table of rejected records
DATABASE_REFUSED_RECORD = "DATABASE_REFUSED_RECORD"


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of an import.

    bytes_read, bytes_total   of all files; the total is 0 when it is unknown
    """

    bytes_read: int
    bytes_total: int
    counts: Counts


class Import:
    """One import of files into one source."""

    def __init__(
        self,
        database: Database,
        context: Context,
        *,
        source: str,
        institution: str,
        files: list[Path],
        processes: int,
        stdin: BinaryIO,
        dry_run: bool,
        new_source: bool = False,
        owner: str = "",
        missing: MissingRecords | None = None,
        stdin_id: str = "",
        on_progress: Callable[[Progress], None],
        report: Callable[[Rejected], None],
    ) -> None:
        """
        files        in order; `-` reads `stdin`
        processes    number of decoding processes; 0 decodes in this process
        dry_run      decide and count, write nothing
        new_source   the source may be new, or dropped
        owner        id of the institution whose source it must be; "" for any
        missing      delete the records of the source that are not in the files
        stdin_id     names what `stdin` has, so that a killed import of it continues
        on_progress  is called after each batch
        report       is called with each rejected record and each warning
        """
        self._database, self._context = database, context
        self._source, self._institution = source, institution
        self._files, self._processes, self._stdin, self._owner = files, processes, stdin, owner
        self._on_progress, self._report = on_progress, report
        self._simulated: dict[str, StoredRecord] | None = {} if dry_run else None
        self._new_source, self._missing, self._stdin_id = new_source, missing, stdin_id
        self._target: ImportTarget | None = None  # None in a dry run
        self.number = self._at = 0  # number of the run; position of the present file
        sizes = [size_of(stdin) if str(path) == "-" else path.stat().st_size for path in files]
        self._bytes_total = 0 if None in sizes else sum(size or 0 for size in sizes)
        self._authorities_met: dict[str, bytes] = {}
        self._bytes_before = self._bytes_of_file = 0
        self._item_map = USUAL
        self.counts = Counts()

    def run(self) -> Counts:
        """Load all files; continue where a killed import of the same files stopped.

        returns  the counts of the whole run, including the part before a kill
        raises   Invalid      SOURCE_UNKNOWN, SOURCE_DROPPED: without `new_source`
                              ITEM_MAP: the source's item map is not valid
                 Refused      SOURCE_DROPPED: while the import ran; SOURCE_OF_OTHERS
                 Unavailable  DATABASE_UNAVAILABLE, PATH_UNREADABLE, DECODER_ENDED: committed batches stay, and the next
                              run continues
        """
        file, ordinal = self._begin()
        with self._database.reading(self._context) as session:
            self._item_map = item_map_of(session, self._source)
        pool = _pool(self._processes) if self._processes else None
        try:
            for at, path in enumerate(self._files):
                self._bytes_before += self._bytes_of_file
                self._at, self._bytes_of_file = at, 0
                skip = ordinal if at == file else 0
                if at >= file and str(path) == "-":
                    self._load(pool, self._stdin, skip)
                elif at >= file:
                    with path.open("rb") as stream:
                        self._load(pool, stream, skip)
                if at < file and str(path) != "-":
                    self._bytes_of_file = path.stat().st_size
        except BrokenProcessPool:
            # When one process ends, the pool is broken; committed batches stay.
            _stop_feeding(pool)
            raise Unavailable("DECODER_ENDED", records=self.counts.read) from None
        finally:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        if self._missing is not None:
            met = None if self._simulated is None else met_numbers(self._simulated)
            self._missing.delete(
                self._database, self._context, source=self._source, run=self.number, counts=self.counts, met=met
            )
        if self._target is not None:
            with self._database.transaction(self._context) as session:
                finish_run(session, self.number)
        return self.counts

    def _begin(self) -> tuple[int, int]:
        """Open the source and the run. Returns the file and the record that the run has reached."""
        if self._simulated is not None:
            with self._database.reading(self._context) as session:
                check_source(session, self._source, is_new=self._new_source, owner=self._owner)
            return 0, 0
        with self._database.transaction(self._context) as session:
            check_source(session, self._source, is_new=self._new_source)
            self._target = open_target(session, source=self._source, institution=self._institution)
            check_source(session, self._source, is_new=True, owner=self._owner)  # others may have made it meanwhile
            use_again(session, self._target.source_id)
            self.number, file, ordinal = open_run(
                session, self._target.source_id, self._files, self.counts, stdin_id=self._stdin_id
            )
            return file, ordinal

    def _load(self, pool: ProcessPoolExecutor | None, stream: BinaryIO, skip: int) -> None:
        """Load the present file. skip: records of it that an earlier run has loaded."""
        path, head = path_text(self._files[self._at]), peek(stream)
        reason = kind_of(head)
        if reason:
            if stream.seekable():
                stream.seek(0, SEEK_END)
            if not skip:
                rejected = Rejected(path, 1, 0, reason, "", head[:MOST_SHOWN])
                self._put([], PreparedBatch(rejected=[rejected]), stream)
            return
        under_way: deque[tuple[list[Frame], Future[PreparedBatch]]] = deque()
        # An existing source keeps its institution, whatever the command names.
        owner = self._institution if self._target is None else self._target.shelves.institution

        def settle(keep: int) -> None:
            while len(under_way) > keep:
                chunk, prepared = under_way.popleft()
                self._put(chunk, prepared.result(), stream)

        for chunk in read_chunks(stream, self._files[self._at], skip_to=skip):
            if pool is None or (len(chunk) < BATCH and not under_way):
                settle(0)
                self._put(chunk, prepare(path, owner, chunk, self._item_map), stream)
            else:
                under_way.append((chunk, pool.submit(prepare, path, owner, chunk, self._item_map)))
                settle(IN_FLIGHT - 1)
        settle(0)

    def _put(self, chunk: list[Frame], prepared: PreparedBatch, stream: BinaryIO) -> None:
        path = path_text(self._files[self._at])
        parts = (
            [(prepared, self._simulate(prepared))]
            if self._target is None
            else self._store(self._target, prepared, {frame.number: frame.raw for frame in chunk})
        )
        for part, outcome in parts:
            for problem in problems_of(path, part, outcome):
                self._report(problem)
        if stream.seekable():
            self._bytes_of_file = stream.tell()
        else:
            self._bytes_of_file += sum(len(frame.raw) for frame in chunk)
        self._on_progress(self.progress())

    def progress(self) -> Progress:
        return Progress(self._bytes_before + self._bytes_of_file, self._bytes_total, self.counts)

    def _store(
        self, target: ImportTarget, prepared: PreparedBatch, raw: dict[int, bytes]
    ) -> Iterator[tuple[PreparedBatch, Outcome]]:
        """Commit a batch. If the database refuses its data, halve it down to the bad record, and reject that record.

        A batch that PostgreSQL rolls back for another writer, such as a loan, is stored again.

        raw     ordinal -> bytes of the record in the file
        yields  each committed batch with its outcome
        """
        keys = [key for record in prepared.authorities for key in (record.key, alternative_key(record))]
        met = {key: self._authorities_met.get(key) for key in keys}
        to_store: list[IncomingRecord | IncomingAuthority] = [*prepared.incoming, *prepared.authorities]
        detail = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                outcome = self._commit(target, prepared)
            except Conflict as problem:
                if problem.reason != "WRITE_CONFLICT" or attempt == ATTEMPTS:
                    raise
            except (StatementError, UnicodeError, OverflowError) as problem:
                if not to_store or not _is_refusal_of_data(problem):
                    raise
                detail = str(problem.orig if isinstance(problem, StatementError) else problem)
            else:
                yield prepared, outcome
                return
            # Keys that were rolled back must not count as stored.
            self._authorities_met.update((key, value) for key, value in met.items() if value is not None)
            for key in (key for key, value in met.items() if value is None):
                self._authorities_met.pop(key, None)
            with self._database.reading(self._context) as session:
                fresh = open_target(session, source=self._source, institution=self._institution)
            target.shelves, target.headings = fresh.shelves, fresh.headings
            if detail:
                break
        if len(to_store) > 1:
            for half in prepared.halves():
                yield from self._store(target, half, raw)
            return
        bad = to_store[0]
        log.warning("record_refused", extra={"run": self.number, "record": bad.ordinal})
        rejected = Rejected(
            path_text(self._files[self._at]),
            bad.ordinal,
            bad.position,
            DATABASE_REFUSED_RECORD,
            detail,
            raw[bad.ordinal],
        )
        yield from self._store(target, PreparedBatch(rejected=[*prepared.rejected, rejected]), raw)

    def _commit(self, target: ImportTarget, prepared: PreparedBatch) -> Outcome:
        """Write one batch in one transaction: records, rejected records and the run's progress."""
        reached = max(prepared.ordinals())
        counts = self.counts.copy()
        with self._database.transaction(self._context) as session:
            sequence = counts.read + len(prepared.ordinals())
            records, deletions = divide(prepared.incoming)
            outcome = upsert_batch(
                session, target, records, run=self.number, sequence=sequence, at=clock.now(), context=self._context
            )
            refuse_dropped(session, target.source_id, self._source)
            outcome.warnings += [(record.ordinal, code) for record in prepared.incoming for code in record.warnings]
            if deletions:
                numbers = live_numbers(session, target.source_id, deletions)
                deletion = delete_records(
                    session, target, numbers, at=clock.now(), act=f"import-run:{self.number}", sequence=sequence,
                    context=self._context, run=self.number,
                )  # fmt: skip
                outcome.deleted, outcome.kept = deletion.records, deletion.kept
            outcome.unchanged += len(prepared.incoming) - len(records) - outcome.deleted
            if prepared.authorities:
                established = store_authorities(
                    session,
                    prepared.authorities,
                    source_id=target.source_id,
                    institution_id=target.shelves.institution_id,
                    met=self._authorities_met,
                    at=clock.now(),
                )
                _count(outcome, prepared, established)
            if prepared.rejected:
                rejected_records.store(
                    session,
                    prepared.rejected,
                    run=self.number,
                    source_id=target.source_id,
                    institution_id=target.shelves.institution_id,
                )
            counts.add(prepared, outcome, problems_of(path_text(self._files[self._at]), prepared, outcome))
            save_run(session, self.number, counts, done=orjson.dumps([self._at, reached]).decode())
        self.counts = counts
        return outcome

    def _simulate(self, prepared: PreparedBatch) -> Outcome:
        """Decide as `upsert_batch` does; keep the result in memory instead of writing it."""
        assert self._simulated is not None
        batch, (records, deletions) = prepared.incoming, divide(prepared.incoming)
        with self._database.reading(self._context) as session:
            source = session.execute(
                select(Source.id, Source.institution_id).where(Source.code == self._source)
            ).first()
            source_id, institution_id = (None, None) if source is None else source
            stored = {**stored_records(session, source_id, batch, NO_RUN), **self._simulated}
            authorities = decide_authorities(
                session, prepared.authorities, source_id=source_id, met=self._authorities_met
            )
            deleted = live_numbers(session, source_id, deletions) if source_id is not None and deletions else set()
            outcome = Outcome(kept=count_out(session, sorted(deleted)))
            decision = decide(stored, records, repeat(0))
            outcome.items_created, outcome.items_changed = count_items(session, institution_id, decision.touched)
        outcome.created = sum(change.fresh for change in decision.touched)
        outcome.updated = len(decision.touched) - outcome.created
        outcome.deleted = simulate_deletions(stored, deletions, deleted)
        outcome.unchanged = len(batch) - outcome.created - outcome.updated - outcome.deleted
        self._simulated = stored
        _count(outcome, prepared, authorities)
        outcome.warnings += decision.warnings
        outcome.warnings += [(record.ordinal, code) for record in batch for code in record.warnings]
        self.counts.add(prepared, outcome, problems_of("", prepared, outcome))
        return outcome


def _count(outcome: Outcome, prepared: PreparedBatch, authorities: AuthorityDecision) -> None:
    """Count records and authority records together."""
    created, updated, deleted = len(authorities.created), len(authorities.updated), len(authorities.deleted)
    outcome.created += created
    outcome.updated += updated
    outcome.deleted += deleted
    outcome.unchanged += len(prepared.authorities) - created - updated - deleted


def _is_refusal_of_data(problem: Exception) -> bool:
    """Tell whether the database refused a value; the same statement with other values may succeed."""
    if not isinstance(problem, StatementError) or isinstance(problem, DataError | IntegrityError):
        return True
    # PostgreSQL's class 54: a value over a limit, such as the size of an index row
    return str(getattr(problem.orig, "sqlstate", "")).startswith("54")


def _stop_feeding(pool: ProcessPoolExecutor | None) -> None:
    """Close the pipe of a broken pool. Before Python 3.11.5 its thread waits for ever to write to dead processes.

    Later versions do this themselves (https://github.com/python/cpython/issues/94777).
    """
    queue = getattr(pool, "_call_queue", None)
    if queue is not None:
        queue._reader.close()


def _pool(processes: int) -> ProcessPoolExecutor | None:
    """Create the pool of decoding processes; None on a system without /dev/shm: then this process decodes."""
    try:
        return ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=follow_parent)
    except (OSError, ImportError) as problem:
        log.warning("import_in_one_process", extra={"why": str(problem)})
        return None
