"""The query log: searches and opened hits, stored in memory and sent to the catalogue in batches.

The log has no data about readers: no address, no cookie, and only the date. Batches are sorted, so their order reveals
nothing. Opened hits are recognised without tracking: hits link to `/records/…?hit=3`, and the Referer has the search.
The last batch may be lost when the process ends. A batch that the catalogue refuses is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from typing import Protocol
from urllib.parse import parse_qs

from starlette.requests import Request

from chassis import clock
from chassis.errors import Error, TooLate, TooMany, Unavailable
from gateway.clients import Clients
from gateway.links import absolute_url
from gateway.negotiation import language
from rangkiang.catalog.v1 import catalog_pb2, searches_pb2
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub

log = logging.getLogger(__name__)

BATCH_SECONDS, BATCH_SEARCHES = 10.0, 200
MOST_ENTRIES = 1_000  # while the catalogue is not available; further entries are dropped
SEND_SECONDS = 2.0
LONGEST_QUERY = 500  # limit of NoteSearches; the catalogue stores fewer characters
LONGEST_REFERER = 4_000
MOST_RANKS = 1_000
# Only after these errors can the same batch succeed later. After any other error, it would be sent again for ever.
_RETRIED = (Unavailable, TooLate, TooMany)
_SEARCH_PAGE = re.compile(r"https?://([^/?#]+)/search\?([^#]*)")


class QueryLog:
    """Entries that wait to be sent, for one event loop."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._entries: list[tuple[str, str, int, int, str]] = []
        self._full = asyncio.Event()

    def add(self, *, query: str, total: int, clicked: int, language: str) -> None:
        """Add a search (clicked 0), or an opened hit of a search."""
        if len(self._entries) < MOST_ENTRIES:
            day = clock.now().date().isoformat()
            self._entries.append((day, _one_line(query[:LONGEST_QUERY]), total, clicked, language))
        # `==`, not `>=`: after a failure more entries are stored, and the next attempt must wait for BATCH_SECONDS.
        if len(self._entries) == BATCH_SEARCHES:
            self._full.set()

    async def run(self) -> None:
        """Send a batch every 10 s, or when it has 200 entries, until cancelled; then send the last one."""
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
        """Send the entries. They stay when the catalogue is not available, and are dropped when it refuses them."""
        batch, self._entries = sorted(self._entries[:MOST_ENTRIES]), []
        self._full.clear()
        if not batch:
            return
        searches = [
            searches_pb2.Searched(day=day, query=query, total=total, clicked=clicked, language=language)
            for day, query, total, clicked, language in batch
        ]
        try:
            await self._clients.stub("catalog", CatalogStub).NoteSearches(
                searches_pb2.NoteSearchesRequest(searches=searches), timeout=SEND_SECONDS
            )
        except Error as problem:
            log.info("searches_not_logged", extra={"searches": len(batch), "reason": problem.reason})
            if isinstance(problem, _RETRIED):
                self._entries = [*batch, *self._entries][:MOST_ENTRIES]


class Sender(Protocol):
    """Sends batches until it is cancelled, and then the last one."""

    async def run(self) -> None: ...


@contextlib.asynccontextmanager
async def send_while_open(sender: Sender | None) -> AsyncIterator[None]:
    """Send batches while the block runs. Do nothing when `sender` is None."""
    if sender is None:
        yield
        return
    task = asyncio.create_task(sender.run(), name=type(sender).__name__)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def log_search(request: Request, *, query: str, reply: catalog_pb2.SearchReply) -> bool:
    """Log a search of which a reader requests the first page; return whether links to its hits need `?hit=`.

    Empty queries are not logged. Searches while the search engine is down are not logged, because they would look like
    searches without results.
    """
    query_log: QueryLog | None = request.app.state.query_log
    if query_log is None or reply.degraded or not query.strip():
        return False
    total = 0 if reply.relaxed else reply.complete or reply.total
    query_log.add(query=query, total=total, clicked=0, language=language(request))
    return True


def log_opened_hit(request: Request) -> None:
    """Log an opened hit, when the URL has its rank (`?hit=`) and the Referer has the search."""
    query_log: QueryLog | None = request.app.state.query_log
    rank = request.query_params.get("hit", "")
    if query_log is None or not (rank.isascii() and rank.isdigit() and 0 < len(rank) <= 4):
        return
    referer = request.headers.get("referer", "")
    search = _SEARCH_PAGE.match(referer) if len(referer) <= LONGEST_REFERER else None
    if search is None or search.group(1) != absolute_url(request, "").partition("://")[2]:
        return
    query = parse_qs(search.group(2)).get("q", [""])[0]
    if query.strip() and 0 < int(rank) <= MOST_RANKS:
        query_log.add(query=query, total=int(rank), clicked=int(rank), language=language(request))


def _one_line(query: str) -> str:
    """Return the query with spaces for control characters, which PostgreSQL and terminals do not accept as text."""
    return "".join(character if character.isprintable() else " " for character in query)
