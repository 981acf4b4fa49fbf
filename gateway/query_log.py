"""The query log as the gateway keeps it: searches and opened hits in memory, sent to the catalogue in batches.

Nothing of the reader is kept: no address, no cookie, no moment finer than the day; a batch is sorted, so that its order
tells nothing either. Which hit was opened is known without following anybody: hits link to `/records/…?hit=3`, and the
browser says by its Referer which search it comes from. The last batch may be lost with the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.requests import Request

from chassis import clock
from chassis.errors import Error
from gateway.deps import absolute, language
from rangkiang.catalog.v1 import catalog_pb2, searches_pb2

if TYPE_CHECKING:
    from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogAsyncStub

log = logging.getLogger(__name__)

BATCH_SECONDS, BATCH_SEARCHES = 10.0, 200
MOST_KEPT = 1_000  # while the catalogue does not answer; more are lost
PATIENCE_SECONDS = 2.0
LONGEST_QUERY = 500
MOST_RANKS = 1_000
_SEARCH_PAGE = re.compile(r"https?://([^/?#]+)/search\?([^#]*)")


class QueryLog:
    """Keeps what is noted until it is sent. For one event loop."""

    def __init__(self, stub: CatalogAsyncStub) -> None:
        self._stub = stub
        self._kept: list[tuple[str, str, int, int, str]] = []
        self._full = asyncio.Event()

    def note(self, *, query: str, total: int, clicked: int, language: str) -> None:
        """One search (clicked 0), or one opened hit of a search."""
        if len(self._kept) < MOST_KEPT:
            self._kept.append((clock.now().date().isoformat(), query[:LONGEST_QUERY], total, clicked, language))
        # Once a batch: when the catalogue does not take it, the next try waits for its time.
        if len(self._kept) == BATCH_SEARCHES:
            self._full.set()

    async def run(self) -> None:
        """Send a batch every 10 s, or as soon as 200 are there, until cancelled; then the last one."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BATCH_SECONDS):
                        await self._full.wait()
                await self.send()
        except asyncio.CancelledError:
            await self.send()
            raise

    async def send(self) -> None:
        """Send what is kept. What the catalogue does not take is kept for the next time."""
        batch, self._kept = sorted(self._kept[:MOST_KEPT]), []
        self._full.clear()
        if not batch:
            return
        searches = [
            searches_pb2.Searched(day=day, query=query, total=total, clicked=clicked, language=language)
            for day, query, total, clicked, language in batch
        ]
        try:
            await self._stub.NoteSearches(searches_pb2.NoteSearchesRequest(searches=searches), timeout=PATIENCE_SECONDS)
        except Error as problem:
            log.info("searches_not_noted", extra={"searches": len(batch), "reason": problem.reason})
            self._kept = [*batch, *self._kept][:MOST_KEPT]


@contextlib.asynccontextmanager
async def at_work(noting: QueryLog | None) -> AsyncIterator[None]:
    """Send batches for the length of the block; nothing when searches are not kept."""
    if noting is None:
        yield
        return
    running = asyncio.create_task(noting.run(), name="noting")
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def searched(request: Request, *, query: str, reply: catalog_pb2.SearchReply) -> bool:
    """Note a search whose first page is being answered; whether hits should say `?hit=` when they are opened.

    Not noted: everything (an empty query), and searches while the engine is down, which would look like failures.
    """
    noting: QueryLog | None = request.app.state.noting
    if noting is None or reply.degraded or not query.strip():
        return False
    total = 0 if reply.relaxed else reply.total
    noting.note(query=query, total=total, clicked=0, language=language(request))
    return True


def opened(request: Request) -> None:
    """Note that a hit was opened, when the address says which (`?hit=`) and the Referer says of what search."""
    noting: QueryLog | None = request.app.state.noting
    rank = request.query_params.get("hit", "")
    if noting is None or not (rank.isascii() and rank.isdigit() and 0 < len(rank) <= 4):
        return
    came_from = _SEARCH_PAGE.match(request.headers.get("referer", ""))
    if came_from is None or came_from.group(1) != absolute(request, "").partition("://")[2]:
        return
    query = parse_qs(came_from.group(2)).get("q", [""])[0]
    if query.strip() and 0 < int(rank) <= MOST_RANKS:
        noting.note(query=query, total=int(rank), clicked=int(rank), language=language(request))
