"""The indexer: brings queued changes into the index and builds new indexes, with all progress in the tables."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from chassis import clock
from chassis.context import READER
from chassis.db import Database
from chassis.errors import Unavailable
from chassis.service import Resources
from chassis.urls import open_url
from chassis.wake import open_wake
from services.catalog.index.port import ENGINES, Change, Index, Rebuild
from services.catalog.index.queue import dequeue, load_changes, queued_versions
from services.catalog.index.rebuilds import (
    ACTOR,
    count_records,
    index_fault,
    next_request,
    pending_request,
    was_built_here,
)
from services.catalog.settings import CatalogSettings
from services.catalog.tables import IndexRebuild, Record

log = logging.getLogger(__name__)

BATCH = 500
# Each commit costs 90 ms and leaves a segment that every search reads, so one commit takes as much as can wait this
# long. During a command no reader waits for the changes: there a commit waits longer, until no more changes come.
COMMIT_SECONDS = 1.0
PATIENT_COMMIT_SECONDS, QUIET_SECONDS = 20.0, 0.3
MOST_RECORDS_A_COMMIT = 10_000  # of average size: 40 MB of the writer's memory
SCAN_BATCH = 2_000
PACE_SECONDS = 0.2  # between two steps
SWEEP_SECONDS = 1.0
TRIES = 5
SETTLED_SECONDS = 2.0  # after a write, until the index counts all its documents


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
    """Keeps one index up to date with one database; all its progress is in the tables, so a new one may continue.

    Each change of the live index follows a commit, which a former holder of the lease cannot make; documents that a
    former holder still writes are refused by their versions.

    has_backlog  more work is ready: the next step need not wait for a larger batch
    """

    def __init__(self, database: Database, index: Index, *, readers_wait: bool = True) -> None:
        """
        readers_wait  readers may be waiting to see the changes; False during a command
        """
        self._database, self._index = database, index
        self._readers_wait = readers_wait
        self._rebuild: Rebuild | None = None
        self._request: UUID | None = None
        self._checked = self._sound = self._compared = self.has_backlog = False
        self._written_at = 0.0
        self._scan = ScanProgress()

    def step(self) -> bool:
        """Write one batch of the queue and, during a rebuild, one of the scan. Returns False when there was no work."""
        if not self._checked:
            self._check_index()
        self._open_rebuild()
        drained = self._drain_queue()
        if self._rebuild is not None:
            self._scan_batch(self._rebuild)
        busy = bool(drained) or self._rebuild is not None
        self.has_backlog = drained >= BATCH or self._rebuild is not None
        if not busy and self._sound and not self._compared and time.monotonic() - self._written_at > SETTLED_SECONDS:
            self._compare_counts()
        return busy

    def give_up(self, problem: Unavailable) -> None:
        """Mark the unfinished rebuilds as failed, with the problem."""
        with self._database.transaction(ACTOR) as session:
            session.execute(
                update(IndexRebuild)
                .where(IndexRebuild.state.in_(("wanted", "running")))
                .values(state="failed", error=str(problem), finished_at=clock.now())
            )

    def _check_index(self) -> None:
        fault = self._index.fault()
        if not fault:
            with self._database.reading(READER) as session:
                fault = "" if was_built_here(session, self._index.name()) else "INDEX_STRANGE"
        if fault in ("INDEX_ROTTEN", "INDEX_STRANGE"):
            # Its answers would be wrong. An index of an older release goes on answering until the swap.
            self._index.retire()
        self._checked, self._sound = True, not fault
        if fault:
            self._repair(fault)
        self._abandon_leftover()

    def _abandon_leftover(self) -> None:
        """Delete an unfinished index whose request has failed."""
        with self._database.reading(READER) as session:
            request = next_request(session)
        leftover = self._index.unfinished_rebuild()
        if leftover is not None and (request is None or request.id.hex != leftover.name):
            leftover.abandon()

    def _compare_counts(self) -> None:
        self._compared = True
        fault = index_fault(self._database, self._index)
        if fault:
            self._repair(fault)

    def _repair(self, fault: str) -> None:
        """Request a rebuild, unless one is unfinished."""
        with self._database.transaction(ACTOR) as session:
            is_new_database = session.scalar(select(IndexRebuild.id).limit(1)) is None
            if next_request(session) is None:
                pending_request(session)
        if not is_new_database:
            log.warning("index_unsound", extra={"reason": fault})

    def _open_rebuild(self) -> None:
        """Take the oldest unfinished request, and continue its index if it was begun."""
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
        leftover = self._index.unfinished_rebuild()
        if request.state == "running" and leftover is not None and leftover.name == request.id.hex:
            self._rebuild = leftover
        else:
            self._update_request(request.id, state="running", reached=0, written=0, total=total, error="")
            self._rebuild = self._index.begin_rebuild(request.id.hex)
        self._request = request.id
        self._scan = self._progress_at(request.reached) if self._rebuild is leftover else ScanProgress()

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
        ended = len(numbers) < SCAN_BATCH
        scan.pending |= {change.number: change.version for change in changes}
        durable = ended or len(scan.pending) >= MOST_RECORDS_A_COMMIT
        rebuild.write(changes, durable=durable)
        scan.reached = max([scan.reached, *numbers])
        scan.written += len(numbers)
        durable_values = {"reached": scan.reached} if durable else {}
        self._update_request(self._request, written=scan.written, **durable_values)
        if durable:
            if not self._sound:
                # There is no live index that needs these changes too.
                self._dequeue(scan.pending)
            scan.pending = {}
        if ended:
            rebuild.swap()
            self._update_request(self._request, state="done", finished_at=clock.now())
            self._rebuild, self._request = None, None
            self._sound, self._compared, self._written_at = True, False, time.monotonic()

    def _drain_queue(self) -> int:
        """Write the queue, as much of it as fits one commit, to the index; only then delete its rows.

        Without a sound index the queue waits for the rebuild.
        """
        if not self._sound:
            return 0
        written: dict[int, int] = {}
        if self._rebuild is None:
            self._index.write(self._queued_changes(written, MOST_RECORDS_A_COMMIT))
        elif changes := list(self._queued_changes(written, BATCH)):
            self._index.write(changes)
            self._rebuild.write(changes)
        if written:
            self._dequeue(written)
            self._written_at, self._compared = time.monotonic(), False
        return len(written)

    def _dequeue(self, versions: dict[int, int]) -> None:
        with self._database.transaction(ACTOR) as session:
            dequeue(session, list(versions.items()))

    def _queued_changes(self, versions: dict[int, int], most: int) -> Iterator[Change]:
        """Yield queued changes batch by batch, up to `most` or until time is up; adds their versions to `versions`."""
        end = time.monotonic() + (COMMIT_SECONDS if self._readers_wait else PATIENT_COMMIT_SECONDS)
        reached, quiet = 0, False
        while len(versions) < most and time.monotonic() < end:
            with self._database.reading(READER) as session:
                batch = queued_versions(session, BATCH, after=reached)
                changes = load_changes(session, batch)
            versions.update(batch)
            yield from changes
            if len(batch) < BATCH:
                if self._readers_wait or not versions or (quiet and not batch):
                    return
                time.sleep(QUIET_SECONDS)
            reached, quiet = max([reached, *batch]), not batch

    def _update_request(self, request: UUID, **values: Any) -> None:
        with self._database.transaction(ACTOR) as session:
            session.execute(update(IndexRebuild).where(IndexRebuild.id == request).values(**values))


def run(resources: Resources, stop: threading.Event) -> None:
    """Keep the index up to date until `stop`, as the holder of its lease; woken by commits, and once a second."""
    index: Index = open_url(resources.settings.of(CatalogSettings).search, ENGINES)
    wake = open_wake(resources.database)
    failures = 0
    indexer = Indexer(resources.database, index, readers_wait=not resources.for_command)
    try:
        while not stop.is_set():
            start = time.monotonic()
            try:
                busy = indexer.step()
                failures = 0
            except Unavailable as problem:
                if problem.reason == "DATABASE_UNAVAILABLE":
                    raise
                failures += 1
                log.warning("index_not_followed", extra={"reason": problem.reason, "facts": problem.facts})
                if failures == TRIES:
                    indexer.give_up(problem)
                stop.wait(min(failures, TRIES))
                indexer = Indexer(resources.database, index, readers_wait=not resources.for_command)
                continue
            if not busy:
                wake.wait(SWEEP_SECONDS)
            elif not indexer.has_backlog:
                stop.wait(max(0.0, PACE_SECONDS - (time.monotonic() - start)))
    finally:
        wake.close()
        index.close()
