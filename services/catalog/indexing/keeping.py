"""The keeper of an index: queue and rebuild, batch by batch, with all that it knows in the tables."""

from __future__ import annotations

import logging
import time
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from chassis import clock
from chassis.context import READER
from chassis.db import Database
from chassis.errors import Unavailable
from services.catalog.index import Index, Rebuild
from services.catalog.indexing.queue import changes_of, dequeue, queued
from services.catalog.indexing.wishes import ACTOR, knows, next_wish, records, unsound
from services.catalog.indexing.wishes import wish as make_wish
from services.catalog.tables import IndexRebuild, Record

log = logging.getLogger(__name__)

BATCH = 500
BIGGEST_BATCH = 4_000  # while the queue is long: a commit costs 90 ms however much is in it
SMALLEST_BATCH = 100
LONG_SECONDS = 1.0
SCAN_BATCH = 2_000
SETTLED_SECONDS = 2.0  # after a write the index counts what it was given


class Keeper:
    """Keeps one index up with one database; made anew after trouble, for all it knows is in the tables.

    Each change of which index there is follows a commit, which the holder of another time is refused; documents that
    such a one still writes are refused by their versions.

    hurried  there is more to do: no need to gather a batch first
    """

    def __init__(self, database: Database, index: Index) -> None:
        self._database, self._index = database, index
        self._rebuild: Rebuild | None = None
        self._wish: UUID | None = None
        self._looked = self._sound = self._compared = self.hurried = False
        self._limit = BATCH
        self._written_at = 0.0

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

    def _scan(self, rebuild: Rebuild) -> None:
        assert self._wish is not None
        with self._database.reading(READER) as session:
            row = session.get_one(IndexRebuild, self._wish)
            numbers = session.scalars(
                select(Record.number)
                .where(Record.number > row.reached, Record.deleted_at.is_(None))
                .order_by(Record.number)
                .limit(SCAN_BATCH)
            ).all()
            changes = changes_of(session, dict.fromkeys(numbers, 0))
        rebuild.write(changes)
        self._note(self._wish, reached=max([row.reached, *numbers]), written=row.written + len(numbers))
        if len(numbers) < SCAN_BATCH:
            rebuild.swap()
            self._note(self._wish, state="done", finished_at=clock.now())
            self._rebuild, self._wish = None, None
            self._sound, self._compared, self._written_at = True, False, time.monotonic()

    def _drain(self) -> int:
        """Bring one batch of the queue into the index, and only then take it off the queue; how many."""
        if not self._sound and self._rebuild is None:
            return 0
        begun = time.monotonic()
        with self._database.reading(READER) as session:
            behind = queued(session, self._limit)
            changes = changes_of(session, behind)
        if not behind:
            self._limit = BATCH
            return 0
        if self._sound:
            self._index.write(changes)
        if self._rebuild is not None:
            self._rebuild.write(changes)
        with self._database.transaction(ACTOR) as session:
            dequeue(session, list(behind.items()))
        self._written_at, self._compared = time.monotonic(), False
        self._limit = self._next_limit(len(behind) == self._limit, self._written_at - begun)
        return len(behind)

    def _next_limit(self, full: bool, seconds: float) -> int:
        """Bigger batches for a long queue, while one takes less than a second, however big its records are."""
        if not full:
            return BATCH
        if seconds > LONG_SECONDS:
            return max(self._limit // 2, SMALLEST_BATCH)
        return min(self._limit * 2, BIGGEST_BATCH) if seconds < LONG_SECONDS / 2 else self._limit

    def _note(self, wish: UUID, **values: Any) -> None:
        with self._database.transaction(ACTOR) as session:
            session.execute(update(IndexRebuild).where(IndexRebuild.id == wish).values(**values))
