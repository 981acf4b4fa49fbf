"""Imports MARC files: streaming, resumable, idempotent. Records that cannot be loaded are rejected with a reason."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

import orjson
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DataError, IntegrityError, StatementError
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.db import Database
from chassis.errors import Conflict, Unavailable
from services.catalog.importing import rejected_records
from services.catalog.importing.authorities import AuthorityDecision, store_authorities
from services.catalog.importing.authorities import decide as decide_authorities
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
from services.catalog.importing.sources import item_map_of
from services.catalog.importing.upsert import (
    ImportTarget,
    Outcome,
    StoredRecord,
    decide,
    open_target,
    stored_records,
    upsert_batch,
)
from services.catalog.items.item_maps import USUAL
from services.catalog.marc.readers import Frame
from services.catalog.tables import ImportRun, ImportSeen, Source

log = logging.getLogger(__name__)

IN_FLIGHT = 3  # chunks being decoded at once
ATTEMPTS = 5  # of a batch that another writer stops
DATABASE_REFUSED_RECORD = "DATABASE_REFUSED_RECORD"
COLUMNS = ("read", "created", "updated", "unchanged", "put_aside", "warnings")


@dataclass(slots=True)
class Counts:
    """Counts of an import: created + updated + unchanged + put_aside = read."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    put_aside: int = 0
    warnings: int = 0
    new_branches: list[str] = field(default_factory=list)

    def add(self, prepared: PreparedBatch, outcome: Outcome, warnings: int) -> None:
        """Add one batch."""
        self.read += len(prepared.ordinals())
        self.created += outcome.created
        self.updated += outcome.updated
        self.unchanged += outcome.unchanged
        self.put_aside += len(prepared.rejected)
        self.warnings += warnings
        self.new_branches += outcome.new_branches

    def plus(self, other: Counts) -> None:
        """Add the counts of another import."""
        for name in (*COLUMNS, "new_branches"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of an import: bytes of all files on disk (0 when unknown), and the counts so far."""

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
        on_progress: Callable[[Progress], None],
        report: Callable[[Rejected], None],
    ) -> None:
        """
        files        in order; `-` reads `stdin`
        processes    number of decoding processes; 0 decodes in this process
        dry_run      decide and count, write nothing
        on_progress  is called after each batch
        report       is called with each rejected record and each warning
        """
        self._database, self._context = database, context
        self._source, self._institution = source, institution
        self._files, self._processes, self._stdin = files, processes, stdin
        self._on_progress, self._report = on_progress, report
        self._simulated: dict[str, StoredRecord] | None = {} if dry_run else None
        self._bytes_total = sum(path.stat().st_size for path in files if str(path) != "-")
        self._authorities_met: dict[str, bytes] = {}
        self._bytes_before = 0
        self._item_map = USUAL
        self.counts = Counts()

    def run(self) -> Counts:
        """Load all files; continue where a killed import of the same files stopped.

        returns  the counts of the whole run, including the part before a kill
        raises   Invalid      ITEM_MAP: the source's item map is not valid
                 Unavailable  DATABASE_UNAVAILABLE, PATH_UNREADABLE, DECODER_ENDED: committed batches stay, and the next
                              run continues
        """
        target, run, file, ordinal = self._begin()
        with self._database.reading(self._context) as session:
            self._item_map = item_map_of(session, self._source)
        pool = _pool(self._processes) if self._processes else None
        try:
            for at, path in enumerate(self._files):
                if at >= file:
                    self._load(pool, target, run, at, path, skip=ordinal if at == file else 0)
                if str(path) != "-":
                    self._bytes_before += path.stat().st_size
        except BrokenProcessPool:
            # One process that ends breaks the pool; what is committed stays.
            raise Unavailable("DECODER_ENDED", records=self.counts.read) from None
        finally:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        if self._simulated is None:
            with self._database.transaction(self._context) as session:
                session.execute(update(ImportRun).where(ImportRun.number == run).values(finished_at=clock.now()))
                session.execute(delete(ImportSeen).where(ImportSeen.run == run))
        return self.counts

    def _begin(self) -> tuple[ImportTarget | None, int, int, int]:
        """Return the source, the run's number, and the file and record it has reached."""
        if self._simulated is not None:
            return None, 0, 0, 0
        with self._database.transaction(self._context) as session:
            target = open_target(session, source=self._source, institution=self._institution)
            return target, *self._run(session, target)

    def _run(self, session: Session, target: ImportTarget) -> tuple[int, int, int]:
        """Find the unfinished run of the same files or start one; return its number, file and record."""
        inputs = orjson.dumps([path_text(path.absolute()) for path in self._files]).decode()
        seen = [_file_identity(path) for path in self._files if str(path) != "-"]
        fingerprint = hashlib.sha256(orjson.dumps(seen)).digest()
        resumable = len(seen) == len(self._files)
        row = session.scalars(
            select(ImportRun)
            .where(ImportRun.source_id == target.source_id, ImportRun.finished_at.is_(None), ImportRun.inputs == inputs)
            .order_by(ImportRun.number.desc())
        ).first()
        if row is not None and resumable and row.fingerprint == fingerprint:
            file, ordinal = orjson.loads(row.done)
            for name in COLUMNS:
                setattr(self.counts, name, getattr(row, name))
            log.info("import_resumed", extra={"run": row.number, "file": file, "record": ordinal})
            return row.number, file, ordinal
        started = ImportRun(
            source_id=target.source_id, inputs=inputs, fingerprint=fingerprint, done="[0,0]", read=0, created=0,
            updated=0, unchanged=0, put_aside=0, warnings=0, started_at=clock.now(),
        )  # fmt: skip
        session.add(started)
        session.flush()
        return started.number, 0, 0

    def _load(
        self, pool: ProcessPoolExecutor | None, target: ImportTarget | None, run: int, at: int, path: Path, *, skip: int
    ) -> None:
        if str(path) == "-":
            self._drain(pool, target, run, at, "-", self._stdin, skip)
        else:
            with path.open("rb") as stream:
                self._drain(pool, target, run, at, path_text(path), stream, skip)

    def _drain(
        self,
        pool: ProcessPoolExecutor | None,
        target: ImportTarget | None,
        run: int,
        at: int,
        path: str,
        stream: BinaryIO,
        skip: int,
    ) -> None:
        under_way: deque[tuple[list[Frame], Future[PreparedBatch]]] = deque()
        # An existing source keeps its institution, whatever the command names.
        owner = self._institution if target is None else target.shelves.institution

        def settle(keep: int) -> None:
            while len(under_way) > keep:
                chunk, prepared = under_way.popleft()
                self._put(target, run, at, chunk, prepared.result(), stream)

        for chunk in read_chunks(stream, self._files[at], skip_to=skip):
            if pool is None or (len(chunk) < BATCH and not under_way):
                settle(0)
                self._put(target, run, at, chunk, prepare(path, owner, chunk, self._item_map), stream)
            else:
                under_way.append((chunk, pool.submit(prepare, path, owner, chunk, self._item_map)))
                settle(IN_FLIGHT - 1)
        settle(0)

    def _put(
        self,
        target: ImportTarget | None,
        run: int,
        at: int,
        chunk: list[Frame],
        prepared: PreparedBatch,
        stream: BinaryIO,
    ) -> None:
        path = path_text(self._files[at])
        parts = (
            [(prepared, self._simulate(prepared))]
            if target is None
            else self._store(target, run, at, prepared, {frame.number: frame.raw for frame in chunk})
        )
        for part, outcome in parts:
            places = {record.ordinal: record.position for record in part.incoming}
            for record in part.rejected:
                self._report(record)
            for ordinal, code in outcome.warnings:
                self._report(Rejected(path, ordinal, places[ordinal], code, "", loaded=True))
        read = stream.tell() if stream.seekable() else 0
        self._on_progress(Progress(self._bytes_before + read, self._bytes_total, self.counts))

    def _store(
        self, target: ImportTarget, run: int, at: int, prepared: PreparedBatch, raw: dict[int, bytes]
    ) -> Iterator[tuple[PreparedBatch, Outcome]]:
        """Commit a batch; when the database refuses its data, halve it until the bad record is alone and reject that.

        A batch that PostgreSQL rolls back for another writer, such as a loan, is stored again.

        raw      ordinal -> bytes of the record in the file
        returns  what was committed, each with its outcome
        """
        keys = [key for record in prepared.authorities for key in (record.key, alternative_key(record))]
        met = {key: self._authorities_met.get(key) for key in keys}
        to_store: list[IncomingRecord | IncomingAuthority] = [*prepared.incoming, *prepared.authorities]
        detail = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                outcome = self._commit(target, run, at, prepared)
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
            # What was rolled back must not be remembered as stored.
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
                yield from self._store(target, run, at, half, raw)
            return
        bad = to_store[0]
        log.warning("record_refused", extra={"run": run, "record": bad.ordinal})
        rejected = Rejected(
            path_text(self._files[at]), bad.ordinal, bad.position, DATABASE_REFUSED_RECORD, detail, raw[bad.ordinal]
        )
        yield from self._store(target, run, at, PreparedBatch(rejected=[*prepared.rejected, rejected]), raw)

    def _commit(self, target: ImportTarget, run: int, at: int, prepared: PreparedBatch) -> Outcome:
        """Write one batch in one transaction: records, rejected records and the run's progress."""
        reached = max(prepared.ordinals())
        counts = replace(self.counts, new_branches=list(self.counts.new_branches))
        with self._database.transaction(self._context) as session:
            sequence = counts.read + len(prepared.ordinals())
            outcome = upsert_batch(
                session, target, prepared.incoming, run=run, sequence=sequence, at=clock.now(), context=self._context
            )
            outcome.warnings += [(record.ordinal, code) for record in prepared.incoming for code in record.warnings]
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
                    run=run,
                    source_id=target.source_id,
                    institution_id=target.shelves.institution_id,
                )
            counts.add(prepared, outcome, len(outcome.warnings))
            done = {"done": orjson.dumps([at, reached]).decode(), **{name: getattr(counts, name) for name in COLUMNS}}
            session.execute(update(ImportRun).where(ImportRun.number == run).values(**done))
        self.counts = counts
        return outcome

    def _simulate(self, prepared: PreparedBatch) -> Outcome:
        """Decide as `upsert_batch` does; keep the result in memory instead of writing it."""
        assert self._simulated is not None
        batch = prepared.incoming
        with self._database.reading(self._context) as session:
            source_id = session.scalar(select(Source.id).where(Source.code == self._source))
            stored = {**stored_records(session, source_id, batch, 0), **self._simulated}
            authorities = decide_authorities(
                session, prepared.authorities, source_id=source_id, met=self._authorities_met
            )
        decision = decide(stored, batch, repeat(0))
        self._simulated = stored
        created = sum(to.fresh for to in decision.touched)
        updated = len(decision.touched) - created
        outcome = Outcome(created, updated, len(batch) - created - updated, decision.warnings)
        _count(outcome, prepared, authorities)
        outcome.warnings += [(record.ordinal, code) for record in batch for code in record.warnings]
        self.counts.add(prepared, outcome, len(outcome.warnings))
        return outcome


def _count(outcome: Outcome, prepared: PreparedBatch, authorities: AuthorityDecision) -> None:
    """Count records and authority records together."""
    created, updated = len(authorities.created), len(authorities.updated)
    outcome.created += created
    outcome.updated += updated
    outcome.unchanged += len(prepared.authorities) - created - updated


def _is_refusal_of_data(problem: Exception) -> bool:
    """Tell whether the database refused a value, so that the same statement with other values may succeed."""
    if not isinstance(problem, StatementError) or isinstance(problem, DataError | IntegrityError):
        return True
    # PostgreSQL's class 54: a value over a limit, such as the size of an index row
    return str(getattr(problem.orig, "sqlstate", "")).startswith("54")


def _pool(processes: int) -> ProcessPoolExecutor | None:
    """Create the pool of decoding processes; None on a system without /dev/shm: then this process decodes."""
    try:
        return ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=follow_parent)
    except (OSError, ImportError) as problem:
        log.warning("import_in_one_process", extra={"why": str(problem)})
        return None


def _file_identity(path: Path) -> tuple[str, int, int]:
    """What identifies a file and its version."""
    stored_records = path.stat()
    return path_text(path.absolute()), stored_records.st_size, stored_records.st_mtime_ns
