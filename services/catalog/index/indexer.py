"""The keeper of an index: queue and rebuild, batch by batch, with all that it knows in the tables."""

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
from services.catalog.index.queue import changes_of, dequeue, queued
from services.catalog.index.rebuilds import ACTOR, knows, next_wish, records, unsound
from services.catalog.index.rebuilds import wish as make_wish
from services.catalog.settings import CatalogSettings
from services.catalog.tables import IndexRebuild, Record

log = logging.getLogger(__name__)

BATCH = 500
# Each commit costs 90 ms and leaves a part of the index to be searched, so as much goes into one as may wait so long.
# Beside a command nobody is waiting to see it: there a commit waits for more, until none has come for a while.
LONG_SECONDS = 1.0
UNWATCHED_SECONDS, LULL_SECONDS = 20.0, 0.3
BIGGEST_COMMIT = 10_000  # records; of middling size, 40 MB of the writer's memory
SCAN_BATCH = 2_000
PACE_SECONDS = 0.2  # between two steps
SWEEP_SECONDS = 1.0
TRIES = 5
SETTLED_SECONDS = 2.0  # after a write the index counts what it was given


@dataclass(slots=True)
class Scanned:
    """How far the scan for a rebuild is.

    reached  last record number
    written  how many
    waiting  number -> version of those not durable yet
    """

    reached: int = 0
    written: int = 0
    waiting: dict[int, int] = field(default_factory=dict)


class Keeper:
    """Keeps one index up with one database; made anew after trouble, for all it knows is in the tables.

    Each change of which index there is follows a commit, which the holder of another time is refused; documents that
    such a one still writes are refused by their versions.

    hurried  there is more to do: no need to gather a batch first
    """

    def __init__(self, database: Database, index: Index, *, watched: bool = True) -> None:
        """
        watched  somebody may be waiting to see what has changed
        """
        self._database, self._index = database, index
        self._watched = watched
        self._rebuild: Rebuild | None = None
        self._wish: UUID | None = None
        self._looked = self._sound = self._compared = self.hurried = False
        self._written_at = 0.0
        self._scanned = Scanned()

    def step(self) -> bool:
        """One batch of the queue and, while an index is being built, one of the scan. False when there was no work."""
        if not self._looked:
            self._look()
        self._open_rebuild()
        drained = self._drain()
        if self._rebuild is not None:
            self._scan(self._rebuild)
        busy = bool(drained) or self._rebuild is not None
        self.hurried = drained >= BATCH or self._rebuild is not None
        if not busy and self._sound and not self._compared and time.monotonic() - self._written_at > SETTLED_SECONDS:
            self._compare()
        return busy

    def give_up(self, problem: Unavailable) -> None:
        """The rebuild under way has failed for good: say so to who waits for it."""
        with self._database.transaction(ACTOR) as session:
            session.execute(
                update(IndexRebuild)
                .where(IndexRebuild.state.in_(("wanted", "running")))
                .values(state="failed", error=str(problem), finished_at=clock.now())
            )

    def _look(self) -> None:
        trouble = self._index.trouble()
        if not trouble:
            with self._database.reading(READER) as session:
                trouble = "" if knows(session, self._index.name()) else "INDEX_STRANGE"
        if trouble in ("INDEX_ROTTEN", "INDEX_STRANGE"):
            # It would answer garbage, or with other books. One of an older release goes on answering meanwhile.
            self._index.retire()
        self._looked, self._sound = True, not trouble
        if trouble:
            self._heal(trouble)
        self._forget_leftovers()

    def _forget_leftovers(self) -> None:
        """An unfinished index of a wish that was given up takes room for nothing."""
        with self._database.reading(READER) as session:
            wish = next_wish(session)
        left = self._index.rebuilding()
        if left is not None and (wish is None or wish.id.hex != left.name):
            left.abandon()

    def _compare(self) -> None:
        self._compared = True
        trouble = unsound(self._database, self._index)
        if trouble:
            self._heal(trouble)

    def _heal(self, trouble: str) -> None:
        with self._database.transaction(ACTOR) as session:
            first = session.scalar(select(IndexRebuild.id).limit(1)) is None
            if next_wish(session) is None:
                make_wish(session)
        if not first:
            log.warning("index_unsound", extra={"reason": trouble})

    def _open_rebuild(self) -> None:
        """Take up the oldest wish, where it was left if it was begun."""
        if self._rebuild is not None:
            return
        with self._database.reading(READER) as session:
            wish = next_wish(session)
            total = records(session) if wish is not None else 0
        if wish is None:
            return
        if wish.state == "running" and self._index.name() == wish.id.hex:
            # Killed between the swap and saying so.
            self._note(wish.id, state="done", finished_at=clock.now())
            return
        left = self._index.rebuilding()
        if wish.state == "running" and left is not None and left.name == wish.id.hex:
            self._rebuild = left
        else:
            self._note(wish.id, state="running", reached=0, written=0, total=total, error="")
            self._rebuild = self._index.begin_rebuild(wish.id.hex)
        self._wish = wish.id
        self._scanned = self._scanned_to(wish.reached) if self._rebuild is left else Scanned()

    def _scanned_to(self, reached: int) -> Scanned:
        with self._database.reading(READER) as session:
            return Scanned(reached, records(session, up_to=reached))

    def _scan(self, rebuild: Rebuild) -> None:
        assert self._wish is not None
        scanned = self._scanned
        with self._database.reading(READER) as session:
            numbers = session.scalars(
                select(Record.number)
                .where(Record.number > scanned.reached, Record.deleted_at.is_(None))
                .order_by(Record.number)
                .limit(SCAN_BATCH)
            ).all()
            changes = changes_of(session, dict.fromkeys(numbers, 0))
        ended = len(numbers) < SCAN_BATCH
        scanned.waiting |= {change.number: change.version for change in changes}
        durable = ended or len(scanned.waiting) >= BIGGEST_COMMIT
        rebuild.write(changes, durable=durable)
        scanned.reached = max([scanned.reached, *numbers])
        scanned.written += len(numbers)
        durably = {"reached": scanned.reached} if durable else {}
        self._note(self._wish, written=scanned.written, **durably)
        if durable:
            if not self._sound:
                # There is no live index that wants them too.
                self._take_off(scanned.waiting)
            scanned.waiting = {}
        if ended:
            rebuild.swap()
            self._note(self._wish, state="done", finished_at=clock.now())
            self._rebuild, self._wish = None, None
            self._sound, self._compared, self._written_at = True, False, time.monotonic()

    def _drain(self) -> int:
        """Bring the queue, or as much of it as may wait for one commit, into the index; only then take it off.

        Without a sound index it waits for the one being built.
        """
        if not self._sound:
            return 0
        done: dict[int, int] = {}
        if self._rebuild is None:
            self._index.write(self._gathered(done, BIGGEST_COMMIT))
        elif changes := list(self._gathered(done, BATCH)):
            self._index.write(changes)
            self._rebuild.write(changes)
        if done:
            self._take_off(done)
            self._written_at, self._compared = time.monotonic(), False
        return len(done)

    def _take_off(self, done: dict[int, int]) -> None:
        with self._database.transaction(ACTOR) as session:
            dequeue(session, list(done.items()))

    def _gathered(self, done: dict[int, int], most: int) -> Iterator[Change]:
        """What is queued, batch by batch, noted in `done`: at most `most`, and what comes until it has taken long."""
        end = time.monotonic() + (LONG_SECONDS if self._watched else UNWATCHED_SECONDS)
        reached, lull = 0, False
        while len(done) < most and time.monotonic() < end:
            with self._database.reading(READER) as session:
                behind = queued(session, BATCH, after=reached)
                changes = changes_of(session, behind)
            done.update(behind)
            yield from changes
            if len(behind) < BATCH:
                if self._watched or not done or (lull and not behind):
                    return
                time.sleep(LULL_SECONDS)
            reached, lull = max([reached, *behind]), not behind

    def _note(self, wish: UUID, **values: Any) -> None:
        with self._database.transaction(ACTOR) as session:
            session.execute(update(IndexRebuild).where(IndexRebuild.id == wish).values(**values))


def run(resources: Resources, stop: threading.Event) -> None:
    """Follow the tables until `stop`, as the holder of the index lease; woken by commits, and once a second."""
    index: Index = open_url(resources.settings.of(CatalogSettings).search, ENGINES)
    wake = open_wake(resources.database)
    failures = 0
    keeper = Keeper(resources.database, index, watched=not resources.beside)
    try:
        while not stop.is_set():
            begun = time.monotonic()
            try:
                busy = keeper.step()
                failures = 0
            except Unavailable as problem:
                if problem.reason == "DATABASE_UNAVAILABLE":
                    raise
                failures += 1
                log.warning("index_not_followed", extra={"reason": problem.reason, "facts": problem.facts})
                if failures == TRIES:
                    keeper.give_up(problem)
                stop.wait(min(failures, TRIES))
                keeper = Keeper(resources.database, index, watched=not resources.beside)
                continue
            if not busy:
                wake.wait(SWEEP_SECONDS)
            elif not keeper.hurried:
                stop.wait(max(0.0, PACE_SECONDS - (time.monotonic() - begun)))
    finally:
        wake.close()
        index.close()
