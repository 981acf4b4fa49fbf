"""The indexer: writes queued changes to the index and builds new indexes; its progress is in the tables."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.service import Resources
from services.catalog.index.changes import load_changes
from services.catalog.index.installation import open_index, was_built_here
from services.catalog.index.port import Change, Index, Rebuild
from services.catalog.index.rebuilds import ACTOR, compare, count_records, next_request, pending_request
from services.catalog.index_queue import dequeue, queued_versions
from services.catalog.tables import ImportRun, IndexRebuild, Record

log = logging.getLogger(__name__)

BATCH = 500
# Each commit takes 90 ms and adds a segment that every search reads, so a commit collects changes for this long. During
# a command no reader waits for the changes, so a commit collects for longer, until the import ends or no more changes
# come.
COMMIT_SECONDS = 1.0
COMMAND_COMMIT_SECONDS, QUIET_SECONDS, LOOK_SECONDS = 20.0, 0.6, 0.1
MOST_RECORDS_A_COMMIT = 10_000  # of average size: 40 MB of the writer's memory
SCAN_BATCH = 2_000
PACE_SECONDS, COMMAND_PACE_SECONDS = 0.5, 0.2  # between two steps
MOST_FAILURES = 5
SETTLED_SECONDS = 2.0  # after a write: by then the index counts all documents
CHECK_SECONDS = 10.0  # between two comparisons of the index's marker


@dataclass(slots=True)
class ScanProgress:
    """Progress of the scan for a rebuild.

    reached  last record number
    written  records written
    pending  number -> version of the records that are not durable yet
    """

    reached: int = 0
    written: int = 0
    pending: dict[int, int] = field(default_factory=dict)


class Indexer:
    """Keeps one index up to date with one database. Its progress is in the tables, so another indexer can continue.

    A former holder of the lease cannot commit, and each swap follows a commit. The index refuses documents that a
    former holder still writes, by their versions.

    has_backlog  more work is ready, so the next step need not wait for a larger batch
    """

    def __init__(self, database: Database, index: Index, *, readers_wait: bool = True) -> None:
        """
        readers_wait  readers may be waiting to see the changes; False during a command
        """
        self._database, self._index = database, index
        self._readers_wait = readers_wait
        self._rebuild: Rebuild | None = None
        self._request: UUID | None = None
        self._is_checked = self._is_sound = self._is_compared = self.has_backlog = False
        self._is_out_of_reach = False  # the live index exists, but its engine cannot read it now
        self._saw_import = False  # an import ran at the last look at the queue
        self._written_at, self._check_at = 0.0, 0.0
        self._scan = ScanProgress()

    def step(self) -> bool:
        """Write one batch of the queue and, during a rebuild, one of the scan. Returns False when there was no work.

        raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_NOT_WRITTEN, INDEX_FOREIGN, DATABASE_UNAVAILABLE
        """
        if not self._is_checked or time.monotonic() > self._check_at:
            self._check_index()
        self._open_rebuild()
        count = self._drain_queue()
        if self._rebuild is not None:
            self._scan_batch(self._rebuild)
        busy = bool(count) or self._rebuild is not None
        self.has_backlog = count >= BATCH or self._rebuild is not None
        if (
            not busy
            and self._is_sound
            and not self._is_compared
            and time.monotonic() - self._written_at > SETTLED_SECONDS
        ):
            self._compare()
        return busy

    def give_up(self, problem: Unavailable) -> None:
        """Mark the unfinished rebuilds as failed, with the problem.

        A running rebuild whose engine cannot be reached does not fail: it continues later.
        """
        states = ("wanted",) if problem.reason == "SEARCH_UNAVAILABLE" else ("wanted", "running")
        with self._database.transaction(ACTOR) as session:
            session.execute(
                update(IndexRebuild)
                .where(IndexRebuild.state.in_(states))
                .values(state="failed", error=str(problem), finished_at=clock.now())
            )

    def _check_index(self) -> None:
        """Check the whole live index once, later only its marker. A faulty index stays until a rebuild replaces it."""
        self._check_at = time.monotonic() + CHECK_SECONDS
        if self._is_checked and not (self._is_sound and self._index.marker_fault()):
            return
        self._is_checked = self._is_sound = self._is_out_of_reach = False
        try:
            fault = self._index.fault()
        except Unavailable as problem:
            if problem.reason != "SEARCH_UNAVAILABLE" or not self._has_request():
                raise
            # A new index is already requested, perhaps because parts of the old one are lost.
            self._is_out_of_reach = True
            return
        if not fault and not was_built_here(self._database, self._index.name()):
            fault = "INDEX_STRANGE"
        self._is_checked, self._is_sound = True, not fault
        if fault:
            self._repair(fault)
        self._abandon_leftover()

    def _has_request(self) -> bool:
        with self._database.reading(READER) as session:
            return next_request(session) is not None

    def _abandon_leftover(self) -> None:
        """Delete old indexes that remained after a kill, and an unfinished one whose request has failed."""
        if self._is_sound:
            self._index.delete_old()
        with self._database.reading(READER) as session:
            request = next_request(session)
        unfinished = self._index.unfinished_rebuild()
        if unfinished is not None and (request is None or request.id.hex != unfinished.name):
            unfinished.abandon()

    def _compare(self) -> None:
        self._is_compared = True
        fault = compare(self._database, self._index)
        if fault:
            self._repair(fault)

    def _repair(self, fault: str) -> None:
        """Request a rebuild, unless one is unfinished."""
        with self._database.transaction(ACTOR) as session:
            is_new_database = session.scalar(select(IndexRebuild.id).limit(1)) is None
            is_new_request = next_request(session) is None
            if is_new_request:
                pending_request(session)
        if is_new_request and not is_new_database:
            log.warning("index_unsound", extra={"reason": fault})

    def _open_rebuild(self) -> None:
        """Take the oldest unfinished request; continue its index if there is one."""
        if self._rebuild is not None:
            return
        with self._database.reading(READER) as session:
            request = next_request(session)
            total = count_records(session) if request is not None else 0
        if request is None:
            return
        if request.state == "running" and self._index.name() == request.id.hex:
            # The process died between the swap and the update of the request.
            self._update_request(request.id, state="done", finished_at=clock.now())
            return
        unfinished = self._index.unfinished_rebuild()
        if request.state == "running" and unfinished is not None and unfinished.name == request.id.hex:
            self._rebuild = unfinished
        else:
            self._update_request(request.id, state="running", reached=0, written=0, total=total, error="")
            self._rebuild = self._index.begin_rebuild(request.id.hex)
        self._request = request.id
        self._scan = self._progress_at(request.reached) if self._rebuild is unfinished else ScanProgress()

    def _progress_at(self, reached: int) -> ScanProgress:
        with self._database.reading(READER) as session:
            return ScanProgress(reached, count_records(session, up_to=reached))

    def _scan_batch(self, rebuild: Rebuild) -> None:
        assert self._request is not None
        scan = self._scan
        with self._database.reading(READER) as session:
            numbers = session.scalars(
                select(Record.number)
                .where(Record.number > scan.reached, Record.deleted_at.is_(None))
                .order_by(Record.number)
                .limit(SCAN_BATCH)
            ).all()
            changes = load_changes(session, dict.fromkeys(numbers, 0))
        is_last = len(numbers) < SCAN_BATCH
        scan.pending |= {change.number: change.version for change in changes}
        durable = is_last or len(scan.pending) >= MOST_RECORDS_A_COMMIT
        rebuild.write(changes, durable=durable)
        scan.reached = max([scan.reached, *numbers])
        scan.written += len(numbers)
        durable_values = {"reached": scan.reached} if durable else {}
        self._update_request(self._request, written=scan.written, **durable_values)
        if durable:
            if not self._is_sound and not self._is_out_of_reach:
                # No live index needs these changes.
                self._dequeue(scan.pending)
            scan.pending = {}
        if is_last:
            rebuild.swap()
            self._update_request(self._request, state="done", finished_at=clock.now())
            self._rebuild, self._request = None, None
            self._is_sound, self._is_compared, self._written_at = True, False, time.monotonic()
            self._index.delete_old()

    def _drain_queue(self) -> int:
        """Write the queued changes of one commit to the index, then delete their rows. Returns their number.

        Without a sound index the rows stay until the rebuild.
        """
        if not self._is_sound:
            return 0
        versions: dict[int, int] = {}
        read_at = clock.now()
        if self._rebuild is None:
            self._index.write(self._queued_changes(versions, MOST_RECORDS_A_COMMIT))
        elif changes := list(self._queued_changes(versions, BATCH)):
            self._index.write(changes)
            self._rebuild.write(changes)
        if versions:
            self._dequeue(versions, read_at)
            self._written_at, self._is_compared = time.monotonic(), False
        return len(versions)

    def _dequeue(self, versions: dict[int, int], read_at: datetime | None = None) -> None:
        with self._database.transaction(ACTOR) as session:
            dequeue(session, versions, read_at=read_at)

    def _queued_changes(self, versions: dict[int, int], most: int) -> Iterator[Change]:
        """Yield at most `most` queued changes, for a limited time; add their versions to `versions`."""
        deadline = time.monotonic() + (COMMIT_SECONDS if self._readers_wait else COMMAND_COMMIT_SECONDS)
        last_number, quiet_since = 0, time.monotonic()
        while len(versions) < most and time.monotonic() < deadline:
            with self._database.reading(READER) as session:
                # Read before the queue: an import that has ended has queued all its records.
                is_import_over = not self._readers_wait and self._look_for_imports(session)
                batch = queued_versions(session, BATCH, after=last_number)
                changes = load_changes(session, batch)
            versions.update(batch)
            yield from changes
            if batch:
                last_number, quiet_since = max(batch), time.monotonic()
            if len(batch) < BATCH:
                is_quiet = time.monotonic() - quiet_since >= QUIET_SECONDS
                if self._readers_wait or not versions or is_quiet or is_import_over:
                    return
                time.sleep(LOOK_SECONDS)

    def _look_for_imports(self, session: Session) -> bool:
        """Return whether an import ran at the last look and none runs now."""
        saw_import = self._saw_import
        running = select(ImportRun.number).where(ImportRun.finished_at.is_(None)).limit(1)
        self._saw_import = session.scalar(running) is not None
        return saw_import and not self._saw_import

    def _update_request(self, request: UUID, **values: Any) -> None:
        with self._database.transaction(ACTOR) as session:
            session.execute(update(IndexRebuild).where(IndexRebuild.id == request).values(**values))


def run(resources: Resources, stop: threading.Event) -> None:
    """Keep the index up to date until `stop`, as the holder of its lease."""
    index = open_index(resources)
    failures, reason, failed_at = 0, "", 0.0
    indexer = Indexer(resources.database, index, readers_wait=not resources.for_command)
    try:
        while not stop.is_set():
            started_at = time.monotonic()
            try:
                busy = indexer.step()
            except Unavailable as problem:
                if problem.reason == "DATABASE_UNAVAILABLE":
                    raise
                failures += 1
                is_foreign = problem.reason == "INDEX_FOREIGN"
                if problem.reason != reason:
                    reason, failed_at = problem.reason, failed_at or started_at
                    facts = {"reason": reason, "facts": problem.facts, "sentence": problem.sentence.en}
                    log.warning("index_not_followed", extra=facts)
                if is_foreign or failures == MOST_FAILURES:
                    indexer.give_up(problem)
                stop.wait(CHECK_SECONDS if is_foreign else min(failures, MOST_FAILURES))
                indexer = Indexer(resources.database, index, readers_wait=not resources.for_command)
                continue
            if failures:
                log.warning("index_followed_again", extra={"seconds": round(time.monotonic() - failed_at, 1)})
                failures, reason, failed_at = 0, "", 0.0
            if not indexer.has_backlog:
                # Acts at desks change records all the time. With a commit for each look, merges of their small segments
                # took as much CPU time as the acts.
                pace = COMMAND_PACE_SECONDS if resources.for_command else COMMIT_SECONDS if busy else PACE_SECONDS
                stop.wait(max(0.0, pace - (time.monotonic() - started_at)))
    finally:
        index.close()
