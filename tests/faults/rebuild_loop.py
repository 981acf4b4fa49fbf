"""Rebuild an index repeatedly while clients search: no search fails, and no result changes."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import generate
from tests.conditions import eventually
from tests.journeys.library import Library, cluster, embedded

RECORDS = 5_000
READERS = 2
VISIBLE_SECONDS = 60
QUERIES = ("sejarah", "minangkabau adat", '"laut bercerita"', "title:bumi")


@dataclass
class Loop:
    """Counts of a query loop."""

    rebuilds: int = 0
    responses: int = 0
    failures: int = 0
    differences: int = 0


def open_library(edition: str, folder: Path) -> AbstractContextManager[Library]:
    return (embedded if edition == "embedded" else cluster)(folder)


def rebuild_under_readers(library: Library, *, seconds: float) -> Loop:
    """Search for this time while the index is rebuilt repeatedly."""
    total_before = library.search()["total"]
    created = library.put(generate.records(RECORDS), source="LOOP")["created"]
    # Rebuild once before the comparison: deleted documents of the import would change the ranking.
    eventually(lambda: library.search()["total"] == total_before + created, seconds=VISIBLE_SECONDS)
    library.command("index", "rebuild")
    expected = {query: _page(library, query).json() for query in QUERIES}
    loop, stop, lock = Loop(), threading.Event(), threading.Lock()

    def read() -> None:
        while not stop.is_set():
            for query in QUERIES:
                failed = wrong = False
                try:
                    response = _page(library, query)
                    failed = response.status_code != 200
                    wrong = not failed and _result(response.json()) != _result(expected[query])
                except httpx.HTTPError:
                    failed = True
                with lock:
                    loop.responses += 1
                    loop.failures += failed
                    loop.differences += wrong

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            library.command("index", "rebuild")
            loop.rebuilds += 1
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    return loop


def _page(library: Library, query: str) -> httpx.Response:
    return library.get("/api/v1/search", q=query, facets="language", limit=50)


def _result(page: dict[str, object]) -> tuple[object, ...]:
    hits = page["hits"]
    assert isinstance(hits, list)
    return page["total"], [hit["id"] for hit in hits], page["facets"]
