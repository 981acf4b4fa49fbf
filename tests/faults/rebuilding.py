"""An index rebuilt over and over while readers ask: no question fails, and none is answered otherwise."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import generate
from tests.journeys.library import Library, cluster, embedded, eventually

RECORDS = 5_000
READERS = 2
VISIBLE_SECONDS = 60
QUERIES = ("sejarah", "minangkabau adat", '"laut bercerita"', "title:bumi")


@dataclass
class Loop:
    """What came of a query loop."""

    rebuilds: int = 0
    answers: int = 0
    failed: int = 0
    wrong: int = 0


def opened(edition: str, folder: Path) -> AbstractContextManager[Library]:
    return (embedded if edition == "embedded" else cluster)(folder)


def rebuild_under_readers(library: Library, *, seconds: float) -> Loop:
    """Ask for so long, and rebuild meanwhile."""
    there = library.search()["total"]
    created = library.put(generate.records(RECORDS), source="LOOP")["created"]
    # A server's own index follows the import; one built at a stroke has no deleted documents that weigh.
    eventually(lambda: library.search()["total"] == there + created, seconds=VISIBLE_SECONDS)
    library.command("index", "rebuild")
    expected = {query: _page(library, query).json() for query in QUERIES}
    loop, stop, counting = Loop(), threading.Event(), threading.Lock()

    def read() -> None:
        while not stop.is_set():
            for query in QUERIES:
                failed = wrong = False
                try:
                    answer = _page(library, query)
                    failed = answer.status_code != 200
                    wrong = not failed and _told(answer.json()) != _told(expected[query])
                except httpx.HTTPError:
                    failed = True
                with counting:
                    loop.answers += 1
                    loop.failed += failed
                    loop.wrong += wrong

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            library.command("index", "rebuild")
            loop.rebuilds += 1
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    return loop


def _page(library: Library, query: str) -> httpx.Response:
    return library.get("/api/v1/search", q=query, facets="language", limit=50)


def _told(page: dict[str, object]) -> tuple[object, ...]:
    hits = page["hits"]
    assert isinstance(hits, list)
    return page["total"], [hit["id"] for hit in hits], page["facets"]
